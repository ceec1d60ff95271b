#include "known_schemas.h"

#include <string_view>
#include <utility>

#include <millrace/avro/schema.h>
#include <millrace/config/load.h>

namespace millrace::app {
namespace {

result<avro::schema> parsed(const stream::schema_document& from) {
  const avro::parse_options lenient{.limits = {}, .check_defaults = false};
  if (from.references.empty()) return avro::schema::parse(from.text, lenient);
  std::vector<std::string_view> texts(from.references.begin(), from.references.end());
  texts.emplace_back(from.text);
  auto all = avro::schema::parse_set(texts, lenient);
  if (!all) return all.error();
  return std::move(all->back());
}

class worker_schemas final : public stream::schemas {
 public:
  worker_schemas(std::unique_ptr<stream::schemas> others, std::shared_ptr<const known_schemas> known)
      : others_(std::move(others)), known_(std::move(known)) {}

  void fetch(std::int32_t id, stream::schema_receiver& receiver) override { others_->fetch(id, receiver); }
  void fetch_tagged(const stream::schema_tag& tag, stream::schema_receiver& receiver) override {
    if (tag.what == stream::schema_tag::kind::fingerprint) {
      if (auto found = known_->find(tag.low)) return receiver.on_schema(tag.id(), std::move(found));
    }
    others_->fetch_tagged(tag, receiver);
  }
  result<std::int32_t> register_schema(std::string_view subject, std::string_view text) override {
    return others_->register_schema(subject, text);
  }

 private:
  std::unique_ptr<stream::schemas> others_;
  std::shared_ptr<const known_schemas> known_;
};

result<void> add_file(known_schemas& to, const std::string& file) {
  auto text = config::read_file(file);
  if (!text) return text.error().in("schema file '" + file + "'");
  if (auto added = to.add({.text = std::move(*text), .references = {}}); !added)
    return added.error().in("schema file '" + file + "'");
  return {};
}

result<void> add_subject(known_schemas& to, const std::string& subject, const subject_reader& read) {
  auto versions = read(subject);
  if (!versions) return versions.error().in("subject '" + subject + "'");
  for (stream::schema_document& each : *versions) {
    if (auto added = to.add(std::move(each)); !added) return added.error().in("subject '" + subject + "'");
  }
  return {};
}

// A type without a schema has no single objects of its own.
void add_type(known_schemas& to, const engine::value_format* type) {
  if (type == nullptr) return;
  std::string text = type->schema_text();
  if (!text.empty()) static_cast<void>(to.add({.text = std::move(text), .references = {}}));
}

}  // namespace

result<void> known_schemas::add(stream::schema_document schema) {
  const auto read = parsed(schema);
  if (!read) return read.error();
  by_fingerprint_.emplace(read->fingerprint(),
                          std::make_shared<const stream::schema_document>(std::move(schema)));
  return {};
}

known_schemas::document known_schemas::find(std::uint64_t fingerprint) const {
  const auto found = by_fingerprint_.find(fingerprint);
  return found == by_fingerprint_.end() ? nullptr : found->second;
}

result<std::shared_ptr<const known_schemas>> collect_schemas(const engine::processors& work,
                                                             const app_config& settings,
                                                             const subject_reader& read) {
  auto made = std::make_shared<known_schemas>();
  for (const auto& each : work.all) add_type(*made, &each->read_format());
  for (const auto& declared : work.inputs) {
    for (const engine::input_base* each : declared) add_type(*made, each->key_type());
  }
  for (const input_settings& input : settings.inputs) {
    for (const std::string& file : input.schema_files) {
      if (auto added = add_file(*made, file); !added) return added.error();
    }
    for (const std::string& subject : input.subjects) {
      if (auto added = add_subject(*made, subject, read); !added) return added.error();
    }
  }
  return std::shared_ptr<const known_schemas>(std::move(made));
}

std::unique_ptr<stream::schemas> with_known_schemas(std::unique_ptr<stream::schemas> others,
                                                    std::shared_ptr<const known_schemas> known) {
  return std::make_unique<worker_schemas>(std::move(others), std::move(known));
}

}  // namespace millrace::app
