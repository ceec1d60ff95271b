#include <cstddef>

#include <millrace/base/text.h>
#include <millrace/stream/schemas.h>

namespace millrace::stream {

schema_tag schema_tag::of_guid(const uuid& guid) noexcept {
  schema_tag tag{kind::guid, 0, 0};
  for (std::size_t i = 0; i < 8; ++i) {
    tag.high = tag.high << 8U | std::to_integer<std::uint64_t>(guid.bytes[i]);
    tag.low = tag.low << 8U | std::to_integer<std::uint64_t>(guid.bytes[i + 8]);
  }
  return tag;
}

uuid schema_tag::guid() const noexcept {
  uuid made;
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t shift = 8 * (7 - i);
    made.bytes[i] = static_cast<std::byte>(high >> shift);
    made.bytes[i + 8] = static_cast<std::byte>(low >> shift);
  }
  return made;
}

std::string to_string(const schema_tag& tag) {
  switch (tag.what) {
    case schema_tag::kind::none:
      return "none";
    case schema_tag::kind::id:
      return std::to_string(tag.id());
    case schema_tag::kind::fingerprint:
      return "fingerprint " + hex_number(tag.low);
    case schema_tag::kind::guid:
      return "guid " + tag.guid().to_string();
  }
  return {};
}

void schemas::fetch_tagged(const schema_tag& tag, schema_receiver& receiver) {
  receiver.on_schema(tag.id(), error(errc::schema_not_found, "no schema is known by its " + to_string(tag)));
}

}  // namespace millrace::stream
