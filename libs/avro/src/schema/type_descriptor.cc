#include <millrace/avro/type_descriptor.h>

namespace millrace::avro {

std::string_view to_string(type_kind kind) noexcept {
  switch (kind) {
    case type_kind::null:
      return "null";
    case type_kind::boolean:
      return "boolean";
    case type_kind::int32:
      return "int";
    case type_kind::int64:
      return "long";
    case type_kind::float32:
      return "float";
    case type_kind::float64:
      return "double";
    case type_kind::string:
    case type_kind::owned_string:
      return "string";
    case type_kind::bytes:
    case type_kind::owned_bytes:
      return "bytes";
    case type_kind::enumeration:
      return "enum";
    case type_kind::fixed:
      return "fixed";
    case type_kind::uuid:
      return "uuid";
    case type_kind::decimal:
      return "decimal";
    case type_kind::duration:
      return "duration";
    case type_kind::date:
      return "date";
    case type_kind::time_millis:
      return "time-millis";
    case type_kind::time_micros:
      return "time-micros";
    case type_kind::timestamp_millis:
      return "timestamp-millis";
    case type_kind::timestamp_micros:
      return "timestamp-micros";
    case type_kind::timestamp_nanos:
      return "timestamp-nanos";
    case type_kind::local_timestamp_millis:
      return "local-timestamp-millis";
    case type_kind::local_timestamp_micros:
      return "local-timestamp-micros";
    case type_kind::local_timestamp_nanos:
      return "local-timestamp-nanos";
    case type_kind::optional:
      return "optional";
    case type_kind::variant:
      return "union";
    case type_kind::pointer:
      return "record";
    case type_kind::array:
    case type_kind::vector:
      return "array";
    case type_kind::map:
    case type_kind::owned_map:
      return "map";
    case type_kind::record:
    case type_kind::projection:
      return "record";
    case type_kind::value:
      return "value";
  }
  return "";
}

}  // namespace millrace::avro
