// Descriptions of columns and parameters (section 4.2.5.2 of the specification), as texts for type::parse().
#include <algorithm>
#include <array>
#include <charconv>

#include <millrace/cql/type.h>

#include "frame_reader.h"
#include "frames.h"

namespace millrace::cql::frames {
namespace {

constexpr std::uint32_t flag_one_table = 0x01;
constexpr std::uint32_t flag_more_pages = 0x02;
constexpr std::uint32_t flag_no_columns = 0x04;
constexpr std::uint32_t flag_changed = 0x08;

// Numbers of types. Those that are not composed are in `simple_types`.
constexpr std::uint16_t type_custom = 0x00;
constexpr std::uint16_t type_list = 0x20;
constexpr std::uint16_t type_map = 0x21;
constexpr std::uint16_t type_set = 0x22;
constexpr std::uint16_t type_defined = 0x30;
constexpr std::uint16_t type_tuple = 0x31;

// By number. 0x0A is text in versions before 3; duration has a number from version 5 on, and in ScyllaDB.
constexpr std::array<std::string_view, 0x16> simple_types = {
    "",      "ascii", "bigint", "blob",      "boolean", "counter", "decimal", "double",
    "float", "int",   "text",   "timestamp", "uuid",    "text",    "varint",  "timeuuid",
    "inet",  "date",  "time",   "smallint",  "tinyint", "duration"};

// The classes of Cassandra that stand for types of CQL, without their package.
constexpr std::string_view marshal_package = "org.apache.cassandra.db.marshal.";
constexpr std::pair<std::string_view, std::string_view> simple_classes[] = {{"AsciiType", "ascii"},
                                                                            {"BooleanType", "boolean"},
                                                                            {"ByteType", "tinyint"},
                                                                            {"BytesType", "blob"},
                                                                            {"CounterColumnType", "counter"},
                                                                            {"DateType", "timestamp"},
                                                                            {"DecimalType", "decimal"},
                                                                            {"DoubleType", "double"},
                                                                            {"DurationType", "duration"},
                                                                            {"FloatType", "float"},
                                                                            {"InetAddressType", "inet"},
                                                                            {"Int32Type", "int"},
                                                                            {"IntegerType", "varint"},
                                                                            {"LongType", "bigint"},
                                                                            {"ShortType", "smallint"},
                                                                            {"SimpleDateType", "date"},
                                                                            {"TimeType", "time"},
                                                                            {"TimeUUIDType", "timeuuid"},
                                                                            {"TimestampType", "timestamp"},
                                                                            {"UTF8Type", "text"},
                                                                            {"UUIDType", "uuid"}};

// A text this long describes no type that a statement could have.
constexpr std::size_t type_text_max = std::size_t{1} << 20;

// Quoted names may have the characters by which type::parse() separates parts. No field of a struct has them.
void append_name(std::string_view name, std::string& to) {
  for (const char c : name) to += c == '<' || c == '>' || c == ',' ? '_' : c;
}

// Reads the text of a class with its parameters: "VectorType(FloatType , 3)", with packages.
class class_parser {
 public:
  class_parser(std::string_view text, std::string& to) noexcept : rest_(text), to_(to) {}

  // False when it is no class that stands for a type of CQL; `to` is incomplete then.
  [[nodiscard]] bool parse(std::size_t depth) {
    if (!parse_type(depth)) return false;
    skip_spaces();
    return rest_.empty();
  }

 private:
  [[nodiscard]] bool parse_type(std::size_t depth) {
    if (depth > type_depth_max) return false;
    std::string_view name = take_name();
    if (name.starts_with(marshal_package)) name.remove_prefix(marshal_package.size());
    for (const auto& [known, text] : simple_classes) {
      if (name != known) continue;
      to_ += text;
      return true;
    }
    if (!take('(')) return false;
    if (name == "FrozenType" || name == "ReversedType") return parse_type(depth) && take(')');
    if (name == "ListType") return parse_composed("list", 1, depth);
    if (name == "SetType") return parse_composed("set", 1, depth);
    if (name == "MapType") return parse_composed("map", 2, depth);
    if (name == "TupleType") return parse_composed("tuple", 0, depth);
    if (name == "VectorType") return parse_vector(depth);
    if (name == "UserType") return parse_defined(depth);
    return false;
  }

  // `count` parameters; 0: one or more.
  [[nodiscard]] bool parse_composed(std::string_view name, std::size_t count, std::size_t depth) {
    to_.append(name).append("<");
    std::size_t seen = 0;
    do {
      if (seen++ > 0) to_ += ", ";
      if (!parse_type(depth + 1)) return false;
    } while (take(','));
    to_ += ">";
    return (count == 0 || seen == count) && take(')');
  }

  [[nodiscard]] bool parse_vector(std::size_t depth) {
    to_ += "vector<";
    if (!parse_type(depth + 1) || !take(',')) return false;
    const std::string_view dimension = take_name();
    std::uint16_t number = 0;
    const auto [end, fault] = std::from_chars(dimension.data(), dimension.data() + dimension.size(), number);
    if (fault != std::errc() || end != dimension.data() + dimension.size() || number == 0) return false;
    to_ += ", " + std::to_string(number) + ">";
    return take(')');
  }

  // "UserType(ks,75736572,66696c65:Int32Type)": names except the keyspace's are hexadecimal.
  [[nodiscard]] bool parse_defined(std::size_t depth) {
    to_ += "udt<";
    append_name(take_name(), to_);
    if (!take(',')) return false;
    to_ += ".";
    if (!take_hexadecimal()) return false;
    while (take(',')) {
      to_ += ", ";
      if (!take_hexadecimal() || !take(':')) return false;
      to_ += " ";
      if (!parse_type(depth + 1)) return false;
    }
    to_ += ">";
    return take(')');
  }

  [[nodiscard]] bool take_hexadecimal() {
    const auto name = from_hex(take_name());
    if (!name || name->empty()) return false;
    append_name(as_text(*name), to_);
    return true;
  }
  void skip_spaces() noexcept { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  [[nodiscard]] bool take(char wanted) noexcept {
    skip_spaces();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] std::string_view take_name() noexcept {
    skip_spaces();
    const std::string_view name = rest_.substr(0, std::min(rest_.find_first_of("(),: "), rest_.size()));
    rest_.remove_prefix(name.size());
    return name;
  }

  std::string_view rest_;
  std::string& to_;
};

void append_class(std::string_view name, std::size_t depth, std::string& to) {
  const std::size_t before = to.size();
  if (class_parser(name, to).parse(depth)) return;
  to.resize(before);
  to += "custom(";
  // Characters by which type::parse() separates parts.
  for (const char c : name) to += c == '<' || c == '>' || c == ',' || c == ' ' ? '_' : c;
  to += ")";
}

// Reads an [option] that is a type. Its text is appended to `to`; without `to` it is passed over by the same
// rules.
class type_reader {
 public:
  type_reader(frame_reader& in, std::string* to) noexcept : in_(in), to_(to) {}

  void read(std::size_t depth) {
    if (depth > type_depth_max || (to_ != nullptr && to_->size() > type_text_max)) return in_.fail();
    const auto number = in_.number<std::uint16_t>();
    switch (number) {
      case type_custom: {
        const std::string_view name = in_.string();
        if (to_ != nullptr && !in_.failed()) append_class(name, depth, *to_);
        return;
      }
      case type_list:
        return read_composed("list", 1, depth);
      case type_set:
        return read_composed("set", 1, depth);
      case type_map:
        return read_composed("map", 2, depth);
      case type_tuple:
        return read_composed("tuple", in_.number<std::uint16_t>(), depth);
      case type_defined:
        return read_defined(depth);
      default:  // an open set: a type that is not composed has nothing more
        return text(number < simple_types.size() ? simple_types[number] : "unknown");
    }
  }

 private:
  void text(std::string_view part) {
    if (to_ != nullptr) to_->append(part);
  }
  void name(std::string_view of) {
    if (to_ != nullptr) append_name(of, *to_);
  }
  void read_composed(std::string_view name, std::size_t count, std::size_t depth) {
    text(name);
    text("<");
    if (count == 0) in_.fail();  // a tuple has components
    for (std::size_t k = 0; k < count && !in_.failed(); ++k) {
      if (k > 0) text(", ");
      read(depth + 1);
    }
    text(">");
  }
  void read_defined(std::size_t depth) {
    text("udt<");
    name(in_.string());
    text(".");
    name(in_.string());
    for (std::uint16_t left = in_.number<std::uint16_t>(); left > 0 && !in_.failed(); --left) {
      text(", ");
      name(in_.string());
      text(" ");
      read(depth + 1);
    }
    text(">");
  }

  frame_reader& in_;
  std::string* to_;
};

// The table of a description; that of the first column, when each has its own.
struct table_name {
  std::string_view keyspace = {};
  std::string_view table = {};
};

std::vector<statements::column> read_list(frame_reader& in, bool one_table, std::uint32_t count,
                                          table_name& of) {
  constexpr std::size_t column_bytes = 2 * sizeof(std::uint16_t);
  std::vector<statements::column> out;
  if (count > columns_max || count > in.rest().size() / column_bytes) {
    in.fail();
    return out;
  }
  out.reserve(count);
  if (one_table) of = {.keyspace = in.string(), .table = in.string()};
  for (std::uint32_t k = 0; k < count && !in.failed(); ++k) {
    if (!one_table) {
      const table_name own{.keyspace = in.string(), .table = in.string()};
      if (k == 0) of = own;
    }
    statements::column& each = out.emplace_back();
    each.name = in.string();
    type_reader(in, &each.type).read(0);
  }
  return out;
}

error unreadable(std::string_view what) {
  return {errc::db_protocol, "the server's description of the " + std::string(what) + " cannot be read"};
}

// Section 4.2.5.4: parameters, with the indexes of those that are the partition key.
void read_parameters(frame_reader& in, const extensions& negotiated, prepared& into, table_name& of) {
  const auto flags = in.number<std::uint32_t>();
  const std::uint32_t count = in.count();
  const std::uint32_t keys = in.count();
  if (keys > count || keys > in.rest().size() / sizeof(std::uint16_t)) return in.fail();
  into.conditional = (flags & negotiated.lwt_mask) != 0;
  into.partition_key.resize(keys);
  for (std::uint16_t& index : into.partition_key) {
    index = in.number<std::uint16_t>();
    if (index >= count) return in.fail();
  }
  into.parameters = read_list(in, (flags & flag_one_table) != 0, count, of);
}

void read_result_columns(frame_reader& in, prepared& into, table_name& of) {
  const auto flags = in.number<std::uint32_t>();
  const std::uint32_t count = in.count();
  if ((flags & flag_more_pages) != 0) in.bytes();
  if ((flags & flag_changed) != 0) in.short_bytes();
  if ((flags & flag_no_columns) != 0 || in.failed()) return;
  into.columns = read_list(in, (flags & flag_one_table) != 0, count, of);
}

}  // namespace

void skip_columns(frame_reader& in, bool one_table, std::uint32_t count) noexcept {
  if (one_table) {
    in.string();
    in.string();
  }
  for (std::uint32_t k = 0; k < count && !in.failed(); ++k) {
    if (!one_table) {
      in.string();
      in.string();
    }
    in.string();
    type_reader(in, nullptr).read(0);
  }
}

result<std::vector<statements::column>> read_columns(const answer& of) {
  frame_reader in(of.columns);
  table_name table;
  auto columns = read_list(in, of.one_table, of.column_count, table);
  if (in.failed()) return unreadable("columns");
  return columns;
}

result<prepared> read_prepared(const answer& of, const extensions& negotiated) {
  frame_reader in(of.prepared);
  prepared out;
  out.id = in.short_bytes();
  if (negotiated.metadata_id) out.metadata_id = in.short_bytes();
  table_name of_parameters;
  table_name of_columns;
  if (!in.failed()) read_parameters(in, negotiated, out, of_parameters);
  if (!in.failed()) read_result_columns(in, out, of_columns);
  if (in.failed() || out.id.empty()) return unreadable("statement");
  const table_name& table = of_parameters.table.empty() ? of_columns : of_parameters;
  out.keyspace = table.keyspace;
  out.table = table.table;
  return out;
}

}  // namespace millrace::cql::frames
