#include <millrace/stream/must.h>

namespace millrace::stream::internal {

void end_early(outcome how) { throw early_end(std::move(how)); }

void first_end::threw() noexcept {
  try {
    throw;
  } catch (const early_end& end) {
    note(std::current_exception(), end.how().what() == outcome::kind::failed);
  } catch (...) {
    note(std::current_exception(), true);
  }
}

void first_end::ended(outcome how) {
  const bool is_failure = how.what() == outcome::kind::failed;
  note(std::make_exception_ptr(early_end(std::move(how))), is_failure);
}

void first_end::note(std::exception_ptr thrown, bool is_failure) noexcept {
  if (thrown_ != nullptr && (is_failure_ || !is_failure)) return;
  thrown_ = std::move(thrown);
  is_failure_ = is_failure;
}

}  // namespace millrace::stream::internal
