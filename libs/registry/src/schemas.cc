#include <memory>
#include <mutex>
#include <vector>

#include <millrace/base/assert.h>
#include <millrace/registry/client.h>
#include <millrace/runtime/mailbox.h>

namespace millrace::registry {
namespace {

constexpr std::size_t answers_max = 100'000;

struct answer {
  std::int32_t id;
  stream::schema_receiver* receiver;
  stream::schema_answer text;
};

// Outlives the worker's port when answers come late: the callbacks share it.
struct inbox {
  explicit inbox(runtime::loop& worker) : box(worker, answers_max), open(true) {}
  std::mutex mutex;  // guards `open` against the port's end
  runtime::mailbox<answer> box;
  bool open;
};

class worker_schemas final : public stream::schemas, public runtime::step {
 public:
  worker_schemas(client& shared, runtime::loop& worker)
      : client_(shared), loop_(worker), inbox_(std::make_shared<inbox>(worker)) {
    loop_.add_step(runtime::phase::intake, *this);
  }
  ~worker_schemas() override {
    loop_.remove_step(*this);
    const std::lock_guard lock(inbox_->mutex);
    inbox_->open = false;
  }

  void fetch(std::int32_t id, stream::schema_receiver& receiver) override {
    client_.fetch(id, [shared = inbox_, id, &receiver](stream::schema_answer text) {
      const std::lock_guard lock(shared->mutex);
      if (!shared->open) return;
      invariant(shared->box.post({id, &receiver, std::move(text)}), "answers of the registry are bounded");
    });
  }

  void fetch_tagged(const stream::schema_tag& tag, stream::schema_receiver& receiver) override {
    if (tag.what != stream::schema_tag::kind::guid) return schemas::fetch_tagged(tag, receiver);
    client_.fetch(tag.guid(), [shared = inbox_, id = tag.id(), &receiver](stream::schema_answer text) {
      const std::lock_guard lock(shared->mutex);
      if (!shared->open) return;
      invariant(shared->box.post({id, &receiver, std::move(text)}), "answers of the registry are bounded");
    });
  }

  result<std::int32_t> register_schema(std::string_view subject, std::string_view schema_text) override {
    return client_.register_schema(subject, schema_text);
  }

  bool on_turn() override {
    inbox_->box.take(arrived_);
    for (answer& a : arrived_) a.receiver->on_schema(a.id, std::move(a.text));
    return false;
  }

 private:
  client& client_;
  runtime::loop& loop_;
  std::shared_ptr<inbox> inbox_;
  std::vector<answer> arrived_;
};

}  // namespace

std::unique_ptr<stream::schemas> make_schemas(client& shared, runtime::loop& worker) {
  return std::make_unique<worker_schemas>(shared, worker);
}

}  // namespace millrace::registry
