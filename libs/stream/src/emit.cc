#include <string>

#include <millrace/stream/emit.h>

namespace millrace::stream {
namespace {

error refused(const emit_request& request, const std::string& why) {
  return error(errc::produce_rejected, why).in("output '" + request.to.name() + "'");
}

}  // namespace

result<void> check(const emit_request& request) {
  if (request.tombstone && !request.key)
    return refused(request, "a tombstone must have a key: it deletes the records of that key");
  if (request.options == nullptr) return {};
  const emit_options& options = *request.options;
  for (const emit_header& header : options.headers) {
    if (header.name.starts_with(reserved_header_prefix)) {
      return refused(request, "header '" + std::string(header.name) + "': names that begin with '" +
                                  std::string(reserved_header_prefix) + "' are reserved");
    }
  }
  if (options.partition && *options.partition < 0)
    return refused(request, "partition " + std::to_string(*options.partition) + " is negative");
  if (options.timestamp && !options.timestamp->is_valid())
    return refused(request, "the timestamp must be after 1970");
  return {};
}

}  // namespace millrace::stream
