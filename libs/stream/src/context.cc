#include <exception>

#include <millrace/base/exceptions.h>
#include <millrace/stream/context.h>

namespace millrace::stream {

void context::emit_threw() const {
  run_->emit_failed(error_of(errc::processor_threw, describe(std::current_exception())));
}

}  // namespace millrace::stream
