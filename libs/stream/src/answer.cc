#include <string>

#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>

namespace millrace::stream {

void answer_duty::report() noexcept { run_->answer_ignored(*statement_); }

error ignored_answer(const statements::statement_declaration& statement) {
  return error(errc::answer_ignored, "the answer of '" + statement.name() +
                                         "' was not looked at: use `co_await must(...)` or test the result");
}

}  // namespace millrace::stream
