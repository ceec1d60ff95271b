#include "settings.h"

namespace millrace::app {

using config::field;
using config::spec;

const spec<admin_settings>& admin_spec() {
  static const spec<admin_settings> declared{
      field(&admin_settings::address, "address")
          .doc("IP address of /metrics, /healthz, /readyz and /status. The endpoint has no TLS."),
      field(&admin_settings::port, "port")
          .range(std::uint16_t{0}, std::uint16_t{65535})
          .doc("TCP port. 0: a free port, which is logged at start-up."),
      field(&admin_settings::token, "token")
          .doc("Bearer token of the operator commands (POST "
               "/records/TOPIC/PARTITION/OFFSET/{retry|skip|dead-letter}) and of the tap. Empty: both are "
               "disabled.")
          .example("${file:/run/secrets/millrace-admin}"),
  };
  return declared;
}

}  // namespace millrace::app
