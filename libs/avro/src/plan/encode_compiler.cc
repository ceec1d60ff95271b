#include <optional>
#include <unordered_map>

#include "json/encoder.h"
#include "plan/encode_code.h"
#include "schema/json.h"

namespace millrace::avro {
namespace {

constexpr std::size_t dense_symbols_max = 1024;

class encode_compiler {
 public:
  explicit encode_compiler(const limits& limit)
      : limit_(limit), code_(std::make_shared<encode_code>()), budget_left_(limit.default_bytes_total_max) {}

  using node_result = result<std::uint32_t>;

  [[nodiscard]] result<std::shared_ptr<encode_code>> compile(const schema_node& writer,
                                                             const type_descriptor& source) {
    auto root = value(writer, source);
    if (!root) return root.error();
    code_->root = *root;
    return code_;
  }

 private:
  [[nodiscard]] encode_node& node(std::uint32_t index) { return code_->nodes[index]; }
  [[nodiscard]] std::uint32_t add(encode_op code) {
    code_->nodes.emplace_back();
    code_->nodes.back().code = code;
    code_->nodes.back().path = path_.empty() ? "the value" : path_;
    return static_cast<std::uint32_t>(code_->nodes.size() - 1);
  }
  [[nodiscard]] std::uint32_t add(encode_op code, std::size_t size) {
    const std::uint32_t made = add(code);
    node(made).size = size;
    return made;
  }
  [[nodiscard]] error mismatch(const schema_node& writer, const type_descriptor& source) const {
    std::string wanted(writer.is_named() ? std::string_view(writer.name) : to_string(writer.type));
    if (writer.logical != logical_type::none) wanted += " (" + std::string(to_string(writer.logical)) + ")";
    return {errc::schema_incompatible, (path_.empty() ? std::string("the root") : path_) +
                                           ": the schema wants " + wanted + ", the struct has " +
                                           std::string(to_string(source.kind))};
  }

  [[nodiscard]] node_result value(const schema_node& writer, const type_descriptor& source) {
    if (code_->nodes.size() > limit_.plan_ops_max || depth_ > 4 * limit_.schema_depth_max) {
      return error(errc::limit_exceeded, "an encoder larger or deeper than the limit");
    }
    if (source.kind == type_kind::value) {
      const std::uint32_t made = add(encode_op::any_value);
      node(made).schema = &writer;
      return made;
    }
    ++depth_;
    auto made = writer.type == schema_type::union_of ? into_union(writer, source) : plain(writer, source);
    --depth_;
    return made;
  }

  [[nodiscard]] node_result plain(const schema_node& writer, const type_descriptor& source) {
    switch (source.kind) {
      case type_kind::pointer:
        return pointer(nullptr, 0, writer, source);
      case type_kind::record:
        return record(writer, source);
      case type_kind::array:
      case type_kind::vector:
      case type_kind::map:
      case type_kind::owned_map:
        return collection(writer, source);
      case type_kind::enumeration:
        return symbols(writer, source);
      case type_kind::decimal:
        return decimal(writer, source);
      case type_kind::null:
      case type_kind::boolean:
      case type_kind::int32:
      case type_kind::int64:
      case type_kind::float32:
      case type_kind::float64:
      case type_kind::string:
      case type_kind::owned_string:
      case type_kind::bytes:
      case type_kind::owned_bytes:
      case type_kind::fixed:
      case type_kind::uuid:
      case type_kind::duration:
        return simple(writer, source);
      case type_kind::date:
      case type_kind::time_millis:
      case type_kind::time_micros:
      case type_kind::timestamp_millis:
      case type_kind::timestamp_micros:
      case type_kind::timestamp_nanos:
      case type_kind::local_timestamp_millis:
      case type_kind::local_timestamp_micros:
      case type_kind::local_timestamp_nanos:
        return time_value(writer, source);
      case type_kind::optional:
      case type_kind::variant:     // only into unions
      case type_kind::value:       // value() takes it
      case type_kind::projection:  // never a member
        break;
    }
    return mismatch(writer, source);
  }

  [[nodiscard]] node_result simple(const schema_node& writer, const type_descriptor& source) {
    const type_kind kind = source.kind;
    switch (writer.type) {
      case schema_type::null:
        if (kind == type_kind::null) return add(encode_op::nothing);
        break;
      case schema_type::boolean:
        if (kind == type_kind::boolean) return add(encode_op::boolean);
        break;
      case schema_type::int32:
        if (kind == type_kind::int32) return add(encode_op::from_int32);
        break;
      case schema_type::int64:
        if (kind == type_kind::int32) return add(encode_op::from_int32);
        if (kind == type_kind::int64) return add(encode_op::from_int64);
        break;
      case schema_type::float32:
        if (kind == type_kind::float32) return add(encode_op::raw, 4);
        break;
      case schema_type::float64:
        if (kind == type_kind::float64) return add(encode_op::raw, 8);
        if (kind == type_kind::float32) return add(encode_op::float_to_double);
        break;
      case schema_type::string:
        if (kind == type_kind::string) return add(encode_op::string);
        if (kind == type_kind::owned_string) return add(encode_op::owned_string);
        if (kind == type_kind::uuid) return add(encode_op::uuid_text);
        break;
      case schema_type::bytes:
        if (kind == type_kind::bytes) return add(encode_op::bytes);
        if (kind == type_kind::owned_bytes) return add(encode_op::owned_bytes);
        break;
      case schema_type::fixed: {
        const bool bytes = kind == type_kind::fixed || kind == type_kind::duration || kind == type_kind::uuid;
        if (bytes && writer.size == source.size) return add(encode_op::raw, writer.size);
        break;
      }
      case schema_type::record:
      case schema_type::enumeration:
      case schema_type::array:
      case schema_type::map:
      case schema_type::union_of:
        break;
    }
    return mismatch(writer, source);
  }

  [[nodiscard]] node_result time_value(const schema_node& writer, const type_descriptor& source) {
    if (writer.logical != logical_type::none && to_string(writer.logical) != to_string(source.kind)) {
      return mismatch(writer, source);
    }
    const bool is_int = source.kind == type_kind::date || source.kind == type_kind::time_millis;
    if (writer.type == schema_type::int64)
      return add(source.size == 8 ? encode_op::from_int64 : encode_op::from_int32);
    if (writer.type == schema_type::int32 && is_int) {
      return add(source.size == 8 ? encode_op::days : encode_op::from_int32);
    }
    return mismatch(writer, source);
  }

  [[nodiscard]] node_result decimal(const schema_node& writer, const type_descriptor& source) {
    if (writer.logical == logical_type::big_decimal) return add(encode_op::big_decimal);
    if (writer.logical != logical_type::decimal) return mismatch(writer, source);
    const bool fixed = writer.type == schema_type::fixed;
    const std::uint32_t made = add(fixed ? encode_op::decimal_fixed : encode_op::decimal, writer.size);
    node(made).number = writer.scale;
    return made;
  }

  [[nodiscard]] node_result symbols(const schema_node& writer, const type_descriptor& source) {
    if (writer.type != schema_type::enumeration) return mismatch(writer, source);
    const std::uint32_t made = add(encode_op::symbol, source.size);
    std::unordered_map<std::string_view, std::int32_t> indexes;
    for (const std::string& symbol : writer.symbols)
      indexes.emplace(symbol, static_cast<std::int32_t>(indexes.size()));
    for (const symbol_descriptor& symbol : source.symbols) {
      const auto found = indexes.find(symbol.name);
      if (found == indexes.end()) continue;
      const std::int32_t index = found->second;
      node(made).is_signed |= symbol.value < 0;
      if (symbol.value >= 0 && static_cast<std::size_t>(symbol.value) < dense_symbols_max) {
        auto& dense = node(made).dense_symbols;
        if (dense.size() <= static_cast<std::size_t>(symbol.value))
          dense.resize(static_cast<std::size_t>(symbol.value) + 1, -1);
        dense[static_cast<std::size_t>(symbol.value)] = index;
      } else {
        node(made).symbols[symbol.value] = index;
      }
    }
    return made;
  }

  [[nodiscard]] node_result collection(const schema_node& writer, const type_descriptor& source) {
    const bool is_map = source.kind == type_kind::map || source.kind == type_kind::owned_map;
    if (writer.type != (is_map ? schema_type::map : schema_type::array)) return mismatch(writer, source);
    const type_descriptor& item = *source.item;
    const encode_op code = source.kind == type_kind::map         ? encode_op::entries
                           : source.kind == type_kind::owned_map ? encode_op::owned_entries
                                                                 : encode_op::items;
    const std::size_t align = std::max(item.align, alignof(std::string_view));
    const std::size_t stride = source.kind == type_kind::map
                                   ? (source.value_offset + item.size + align - 1) / align * align
                                   : item.size;
    const std::uint32_t made = add(code, stride);
    node(made).operations = &source.operations;
    const std::size_t before = path_.size();
    path_ += "[]";
    auto inner = value(*writer.item, item);
    path_.resize(before);
    if (!inner) return inner.error();
    node(made).children.push_back({*inner, static_cast<std::uint32_t>(source.value_offset)});
    return made;
  }

  [[nodiscard]] node_result record(const schema_node& writer, const type_descriptor& source) {
    if (writer.type != schema_type::record) return mismatch(writer, source);
    if (!source.name.empty() && unqualified(source.name) != unqualified(writer.name))
      return mismatch(writer, source);
    const auto key = std::pair(&writer, &source);
    if (const auto known = records_.find(key); known != records_.end()) return known->second;
    const std::uint32_t made = add(encode_op::record);
    records_.emplace(key, made);
    for (const field_descriptor& field : source.fields) {
      const bool exists = std::any_of(writer.fields.begin(), writer.fields.end(),
                                      [&](const auto& one) { return one.name == field.name; });
      if (!exists) {
        return error(errc::schema_incompatible, (path_.empty() ? std::string("the root") : path_) +
                                                    ": the schema " + writer.name + " has no field " +
                                                    in_quotes(field.name));
      }
    }
    for (const schema_field& field : writer.fields) {
      const auto found = std::find_if(source.fields.begin(), source.fields.end(),
                                      [&](const auto& one) { return one.name == field.name; });
      const std::size_t before = path_.size();
      if (!path_.empty()) path_ += '.';
      path_ += field.name;
      auto inner = found != source.fields.end() ? value(*field.type, *found->type) : constant(field);
      path_.resize(before);
      if (!inner) return inner.error();
      const std::size_t offset = found != source.fields.end() ? found->offset : 0;
      node(made).children.push_back({*inner, static_cast<std::uint32_t>(offset)});
    }
    return made;
  }

  [[nodiscard]] node_result constant(const schema_field& field) {
    if (!field.default_json) {
      return error(errc::schema_incompatible,
                   path_ + ": the struct lacks this field, and the schema has no default for it");
    }
    const std::uint32_t made = add(encode_op::constant);
    if (auto done =
            encode_default(*field.type, *field.default_json, limit_, budget_left_, node(made).constant);
        !done) {
      return done.error().in(path_);
    }
    return made;
  }

  // The branch of `writer` that takes `source`: `preferred` if it does, else the first that does.
  [[nodiscard]] node_result branch(const schema_node& writer, const type_descriptor& source,
                                   std::optional<std::size_t> preferred) {
    std::vector<std::size_t> order;
    if (preferred) order.push_back(*preferred);
    for (std::size_t i = 0; i < writer.branches.size(); ++i) order.push_back(i);
    for (const std::size_t i : order) {
      const std::size_t before = code_->nodes.size();
      const std::uint32_t made = add(encode_op::branch);
      auto inner = value(*writer.branches[i], source);
      if (inner) {
        node(made).number = static_cast<std::int64_t>(i);
        node(made).children.push_back({*inner, 0});
        return made;
      }
      if (inner.error().code() == errc::limit_exceeded) return inner;
      code_->nodes.resize(before);
      std::erase_if(records_, [&](const auto& one) { return one.second >= before; });
    }
    return mismatch(writer, source);
  }

  [[nodiscard]] node_result into_union(const schema_node& writer, const type_descriptor& source) {
    static const type_descriptor nothing;  // kind null
    if (source.kind == type_kind::pointer) {
      for (std::size_t i = 0; i < writer.branches.size(); ++i) {
        if (writer.branches[i]->type != schema_type::record) continue;
        auto made = pointer(&writer, i, *writer.branches[i], source);
        if (made || made.error().code() == errc::limit_exceeded) return made;
      }
      return mismatch(writer, source);
    }
    if (source.kind != type_kind::optional && source.kind != type_kind::variant)
      return branch(writer, source, {});
    const std::uint32_t made = add(encode_op::alternatives);
    node(made).operations = &source.operations;
    std::vector<const type_descriptor*> alternatives;
    if (source.kind == type_kind::optional) {
      alternatives = {&nothing, &*source.item};
    } else {
      for (const type_ref& one : source.alternatives) alternatives.push_back(&*one);
    }
    const bool parallel = source.kind == type_kind::variant && alternatives.size() == writer.branches.size();
    for (std::size_t i = 0; i < alternatives.size(); ++i) {
      auto inner = branch(writer, *alternatives[i], parallel ? std::optional(i) : std::nullopt);
      if (!inner) return inner;
      node(made).children.push_back({*inner, static_cast<std::uint32_t>(source.payload_offset)});
    }
    return made;
  }

  // `around`: the union whose branch `index` is the record, or nullptr.
  [[nodiscard]] node_result pointer(const schema_node* around, std::size_t index, const schema_node& writer,
                                    const type_descriptor& source) {
    const std::uint32_t made = add(encode_op::pointer);
    std::uint32_t null_node = no_node;
    auto inner = value(writer, *source.item);
    if (!inner) return inner;
    std::uint32_t full = *inner;
    if (around != nullptr) {
      full = add(encode_op::branch);
      node(full).number = static_cast<std::int64_t>(index);
      node(full).children.push_back({*inner, 0});
      for (std::size_t i = 0; i < around->branches.size(); ++i) {
        if (around->branches[i]->type != schema_type::null) continue;
        null_node = add(encode_op::branch);
        const std::uint32_t nothing = add(encode_op::nothing);
        node(null_node).number = static_cast<std::int64_t>(i);
        node(null_node).children.push_back({nothing, 0});
      }
    }
    node(made).children.push_back({null_node, 0});
    node(made).children.push_back({full, 0});
    return made;
  }

  const limits& limit_;
  std::shared_ptr<encode_code> code_;
  std::size_t budget_left_;  // of defaults
  std::map<std::pair<const schema_node*, const type_descriptor*>, std::uint32_t> records_;
  std::string path_;
  std::size_t depth_ = 0;
};

}  // namespace

result<std::shared_ptr<encode_code>> compile_encoder(const schema& writer, const type_descriptor& source,
                                                     const limits& limit) {
  return encode_compiler(limit).compile(writer.root(), source);
}

}  // namespace millrace::avro
