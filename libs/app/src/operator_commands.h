// POST /records/TOPIC/PARTITION/OFFSET/{retry|skip|dead-letter}: a command for the oldest unfinished
// record of a partition, which /status shows.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include <millrace/app/admin_server.h>
#include <millrace/base/secret.h>
#include <millrace/engine/operator_command.h>

namespace millrace::app {

// Asks one worker; nullopt: it has ended or does not turn its loop, and nothing happened.
using worker_command = std::function<std::optional<engine::command_answer>(const engine::record_name&,
                                                                           engine::operator_command)>;

// 200 done, with what happened; 401 without the right token; 403 when the configuration has none; 404 no such
// path or record; 409 the record's state does not allow it; 503 a worker that may have it does not answer.
[[nodiscard]] admin_page handle(const admin_request& order, const secret& token,
                                const std::vector<worker_command>& workers);

}  // namespace millrace::app
