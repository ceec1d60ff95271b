// What an application needs: topics and subjects, from its configuration and its processors.
#pragma once

#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/engine/processor.h>

namespace millrace::app::provisioning {

struct topic_need {
  std::string name;
  std::string use;  // input, output NAME, dead letters
};

struct subject_need {
  std::string subject;
  std::string schema;
  std::string use;
};

struct application_needs {
  std::vector<topic_need> topics;  // each once, in the order above
  std::vector<subject_need> subjects;
};

// Errors: those of engine::build() and subject_of().
[[nodiscard]] result<application_needs> needs_of(const engine::processor_set& processors,
                                                 const app_config& settings);

// One line each: `prepare --list`, and what `millrace dev` creates.
[[nodiscard]] std::string to_text(const application_needs& all);

}  // namespace millrace::app::provisioning
