#include <string>

#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>

namespace millrace::stream {

void answer_duty::report() noexcept { run_->answer_ignored(*name_); }

error ignored_answer(std::string_view name) {
  return error(errc::answer_ignored, "the answer of '" + std::string(name) +
                                         "' was not looked at: use `co_await must(...)` or test the result");
}

}  // namespace millrace::stream
