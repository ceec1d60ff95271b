// librdkafka's error codes in the product's vocabulary.
#pragma once

#include <string>
#include <string_view>

#include <librdkafka/rdkafka.h>

#include <millrace/base/errors.h>

namespace millrace::kafka {

// Of an error the client reports about itself or its connections.
[[nodiscard]] errc code_of_client_error(rd_kafka_resp_err_t code) noexcept;
// True where the client cannot go on although librdkafka would try.
[[nodiscard]] bool stops_the_line(rd_kafka_resp_err_t code) noexcept;
// The topic or its partition is not there, or not under the id by which it was requested.
[[nodiscard]] bool is_of_topic(rd_kafka_resp_err_t code) noexcept;
// A fatal error that concerns this membership only: another client of the same configuration can join.
[[nodiscard]] bool may_join_again(rd_kafka_resp_err_t code) noexcept;
// "what (TEXT); what to do"
[[nodiscard]] error client_error(rd_kafka_resp_err_t code, std::string_view text);

[[nodiscard]] error commit_error(rd_kafka_resp_err_t code);
[[nodiscard]] error delivery_error(rd_kafka_resp_err_t code, std::string_view text);

}  // namespace millrace::kafka
