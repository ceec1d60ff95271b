// From our configuration to librdkafka's: what we set, what the user may set, and errors a person can act on.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <millrace/base/result.h>
#include <millrace/kafka/client.h>

#include "handles.h"

namespace millrace::kafka {

// A property that the user's `properties` must not contain, and why.
struct managed_property {
  std::string_view name;
  std::string_view instead;
};

class conf_builder {
 public:
  conf_builder();

  // A default that `properties` may override: call before apply().
  void prefer(const char* name, std::string_view value);
  // The user's properties.
  [[nodiscard]] result<void> apply(const client_config& config, std::span<const managed_property> managed);
  // Not overridable: call after apply().
  [[nodiscard]] result<void> set(const char* name, std::string_view value);
  void enable_events(int events);
  // Hands the configuration to a new client. Logs go to its main queue.
  [[nodiscard]] result<client_handle> make_client(rd_kafka_type_t type);

 private:
  conf_handle conf_;
};

[[nodiscard]] bool is_secret(std::string_view property) noexcept;

}  // namespace millrace::kafka
