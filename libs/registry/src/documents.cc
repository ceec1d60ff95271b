#include "documents.h"

#include <map>
#include <utility>

namespace millrace::registry {
namespace {

// Depth first, so that every schema comes after those it uses.
class closure {
 public:
  closure(servers& from, std::size_t bytes_max) : from_(from), bytes_max_(bytes_max) {}

  result<std::shared_ptr<const stream::schema_document>> of(described_schema root);

 private:
  enum class mark : std::uint8_t { open, done };
  using name = std::pair<std::string, std::int32_t>;
  struct level {
    name which;
    described_schema schema;
    std::size_t next = 0;
  };

  result<void> descend(const schema_reference& to);
  result<void> account(const std::string& text);

  servers& from_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::map<name, mark> seen_;
  std::vector<level> path_;
};

result<void> closure::account(const std::string& text) {
  bytes_ += text.size();
  if (bytes_ <= bytes_max_) return {};
  return error(errc::limit_exceeded, "the schema and its references have more than " +
                                         std::to_string(bytes_max_) + " bytes (response_bytes_max)");
}

result<void> closure::descend(const schema_reference& to) {
  const std::string place =
      "reference to '" + http::printable(to.subject) + "' version " + std::to_string(to.version);
  const name which{to.subject, to.version};
  const auto [known, is_new] = seen_.emplace(which, mark::open);
  if (!is_new) {
    if (known->second == mark::done) return {};
    return error(errc::schema_invalid, place + " closes a cycle");
  }
  if (seen_.size() > references_max || path_.size() > reference_depth_max)
    return error(errc::limit_exceeded, place + ": too many references");
  const auto body = from_.ask({"GET", "/subjects/" + http::escaped(to.subject) + "/versions/" +
                                          std::to_string(to.version) + "?deleted=true"});
  if (!body) return body.error().in(place);
  auto schema = schema_of(*body);
  if (!schema) return schema.error().in(place);
  if (auto fits = account(schema->text); !fits) return fits.error().in(place);
  path_.push_back({which, std::move(*schema)});
  return {};
}

result<std::shared_ptr<const stream::schema_document>> closure::of(described_schema root) {
  auto made = std::make_shared<stream::schema_document>();
  if (auto fits = account(root.text); !fits) return fits.error();
  path_.push_back({{}, std::move(root)});
  while (!path_.empty()) {
    level& top = path_.back();
    if (top.next < top.schema.references.size()) {
      const schema_reference to = top.schema.references[top.next++];
      if (auto descended = descend(to); !descended) return descended.error();
      continue;
    }
    if (path_.size() == 1) {
      made->text = std::move(top.schema.text);
    } else {
      made->references.push_back(std::move(top.schema.text));
      seen_[top.which] = mark::done;
    }
    path_.pop_back();
  }
  return std::shared_ptr<const stream::schema_document>(std::move(made));
}

}  // namespace

result<std::shared_ptr<const stream::schema_document>> complete(servers& from, described_schema root,
                                                                std::size_t bytes_max) {
  return closure(from, bytes_max).of(std::move(root));
}

}  // namespace millrace::registry
