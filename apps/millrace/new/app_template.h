// The files of template/app, as the build embeds them. The application's name in them is `orders`.
#pragma once

#include <span>
#include <string_view>

namespace millrace::new_app {

struct template_file {
  std::string_view name;  // relative to the project's folder
  std::string_view text;
};

[[nodiscard]] std::span<const template_file> app_template();

}  // namespace millrace::new_app
