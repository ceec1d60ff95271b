#include <memory>
#include <utility>

#include <millrace/runtime/scope.h>

namespace millrace::runtime {

// Owns itself between spawn() and the end of its task.
class scope::child_run final : public deferred {
 public:
  child_run(scope& owner, task<void> work) : owner_(owner), work_(std::move(work)) {}

  void start() { work_.start(owner_.loop_, *this); }

  void run() override {
    const std::unique_ptr<child_run> self(this);
    try {
      work_.take();
    } catch (...) {
      if (owner_.thrown_ == nullptr) owner_.thrown_ = std::current_exception();
    }
    if (--owner_.live_ == 0) owner_.idle_.set();
  }

 private:
  scope& owner_;
  task<void> work_;
};

void scope::spawn(task<void> child) {
  invariant(live_ < children_max_, "a scope's limit of children holds");
  ++live_;
  idle_.reset();
  auto run = std::make_unique<child_run>(*this, std::move(child));
  run.release()->start();
}

task<void> scope::join() {
  while (live_ > 0) co_await idle_;
  if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

}  // namespace millrace::runtime
