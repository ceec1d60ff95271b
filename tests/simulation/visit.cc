#include "visit.h"

#include <memory>

namespace scenario {

using namespace millrace;

namespace {

class plan final : public engine::value_plan {};

class slot final : public engine::value_slot {
 public:
  slot() : account_(*slots_of_running_member()) {}
  ~slot() override { count(0); }

  [[nodiscard]] result<std::size_t> decode(const engine::value_plan& with, bytes_view body) override {
    const result<std::size_t> head = parcel_.decode(with, body);
    if (!head) return head.error();
    const std::size_t cells = body.size() - *head;
    if (cells * sizeof(cell_bytes) > bytes_max_) return error(errc::limit_exceeded, "too many cells");
    const auto& parcel = *static_cast<const engine::parcel*>(parcel_.value());
    value_.number = parcel.number;
    value_.word = parcel.word;
    value_.cells.assign(cells, {});
    count(bytes_held());
    return body.size();
  }
  [[nodiscard]] const void* value() const noexcept override { return &value_; }
  [[nodiscard]] std::size_t bytes_held() const noexcept override {
    return value_.cells.capacity() * sizeof(cell_bytes);
  }
  void set_bytes_max(std::size_t bytes_max) override { bytes_max_ = bytes_max; }
  void trim(std::size_t bytes_max) noexcept override {
    value_.cells.clear();
    if (bytes_held() > bytes_max) std::vector<cell_bytes>().swap(value_.cells);
    count(bytes_held());
  }

 private:
  void count(std::size_t held) noexcept {
    account_.bytes += held - counted_;
    *account_.of_process += held - counted_;
    counted_ = held;
  }

  slot_memory& account_;
  engine::value_traits<engine::parcel>::slot parcel_;
  visit value_;
  std::size_t counted_ = 0;
  std::size_t bytes_max_ = SIZE_MAX;
};

class visit_format final : public engine::value_format {
 public:
  [[nodiscard]] std::string_view type_name() const noexcept override { return "visit"; }
  [[nodiscard]] std::unique_ptr<engine::value_slot> make_slot() const override {
    return std::make_unique<slot>();
  }
  [[nodiscard]] result<std::shared_ptr<const engine::value_plan>> compile(
      const stream::schema_document& writer) const override {
    if (writer.text != "parcel") return error(errc::schema_incompatible, "not a visit");
    return std::shared_ptr<const engine::value_plan>(std::make_shared<plan>());
  }
};

}  // namespace

slot_memory*& slots_of_running_member() noexcept {
  static slot_memory* running = nullptr;
  return running;
}

byte_buffer framed_visit(std::int32_t schema_id, std::int64_t number, std::string_view word,
                         std::size_t cells) {
  byte_buffer bytes = engine::framed_parcel(schema_id, number, word);
  bytes.resize(bytes.size() + cells);
  return bytes;
}

}  // namespace scenario

namespace millrace::engine {

const value_format& value_traits<scenario::visit>::format() {
  static const scenario::visit_format instance;
  return instance;
}

}  // namespace millrace::engine
