#include <optional>
#include <string>
#include <variant>

#include <millrace/avro/framing.h>
#include <millrace/engine/framing.h>

namespace millrace::engine {
namespace {

// The header holds what would stand in front of the datum, and nothing else.
result<stream::schema_tag> tag_of(bytes_view header, bytes_view datum) {
  const auto split = avro::split_message(header, datum);
  if (!split) return split.error();
  if (!*split) return error(errc::bad_frame, "the header names a schema of nothing");
  const avro::schema_key& schema = (*split)->schema;
  if (const auto* id = std::get_if<std::int32_t>(&schema)) return stream::schema_tag::of_id(*id);
  return stream::schema_tag::of_guid(std::get<uuid>(schema));
}

result<framed_datum> split_confluent(const stream::record_block& record, record_part part, bytes_view bytes) {
  if (record.header_count() > 0) {
    const std::optional<bytes_view> header =
        record.header(part == record_part::key ? avro::key_schema_header : avro::value_schema_header);
    if (header) {
      const result<stream::schema_tag> tag = tag_of(*header, bytes);
      if (!tag) return tag.error();
      return framed_datum{*tag, bytes};
    }
  }
  const result<avro::framed> framed = avro::split_frame(bytes);
  if (!framed) return framed.error();
  return framed_datum{stream::schema_tag::of_id(framed->schema_id), framed->datum};
}

}  // namespace

std::string_view to_string(record_part part) noexcept { return part == record_part::key ? "key" : "value"; }

result<framed_datum> split_frame(frame_kind kind, const framing* custom, const stream::record_block& record,
                                 record_part part, bytes_view bytes) {
  switch (kind) {
    case frame_kind::confluent:
      return split_confluent(record, part, bytes);
    case frame_kind::none:
      return framed_datum{{}, bytes};
    case frame_kind::single_object: {
      const result<avro::single_object> object = avro::split_single_object(bytes);
      if (!object) return object.error();
      return framed_datum{stream::schema_tag::of_fingerprint(object->fingerprint), object->datum};
    }
    case frame_kind::custom:
      return custom->split(record, part, bytes);
  }
  return error(errc::internal, "unknown frame");
}

}  // namespace millrace::engine
