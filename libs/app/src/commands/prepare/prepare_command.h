// `prepare`: everything that an application needs on its servers, in one report; `--create` makes what is missing.
#pragma once

#include <iosfwd>
#include <string>

#include <millrace/app/application.h>

#include "servers.h"

namespace millrace::app::provisioning {

struct arguments {
  run_arguments run;
  std::string schema;  // schema.cql; "": no tables are looked for
  bool list = false;   // what is needed, without a server
  wanted how;
};

// The exit code: 0 when nothing is missing, 1 when something is missing or cannot be looked at, 78 for a configuration
// or a schema that cannot be used.
[[nodiscard]] int run(const application& app, const arguments& given, std::ostream& out, std::ostream& err);

}  // namespace millrace::app::provisioning
