// Settings of an application: a struct of its own, read from the section `app` of the configuration.
//
// Example prelude:
//
//   #include <millrace/app/application.h>
//   #include <millrace/simulation/parcel.h>
//
//   struct post_settings {
//     std::int64_t weight_max = 30;
//     millrace::secret stamp;
//   };
//
//   class weigh final : public millrace::engine::processor<millrace::engine::parcel> {
//    public:
//     explicit weigh(const post_settings& settings) : weight_max_(settings.weight_max) {}
//     millrace::runtime::task<millrace::stream::outcome> process(millrace::engine::record<millrace::engine::parcel> p,
//                                                                millrace::stream::context) override {
//       if (p->number > weight_max_) co_return millrace::stream::outcome::dead_letter("too heavy");
//       co_return millrace::stream::outcome::done();
//     }
//
//    private:
//     std::int64_t weight_max_;
//   };
//
// Example:
//
//   const config::spec<post_settings> spec{
//       config::field(&post_settings::weight_max, "weight_max").range(1, 1'000).doc("Heaviest parcel, in kilograms."),
//       config::field(&post_settings::stamp, "stamp").doc("Secret of the stamp."),
//   };
//   const app::application post{
//       .name = "post",
//       .settings = app::settings_of(spec, [](const post_settings& settings) {
//         return engine::processor_set{engine::make<weigh>(settings)};
//       })};
//   invariant(static_cast<bool>(post.settings), "the application has settings");
//
// The section is read like every other one (config/spec.h): from the file, MILLRACE__APP__KEY and --set app.key=value,
// with references, ranges, checks, and errors that name file, line and column. `config show`, `config reference`,
// `config schema` and `validate` of the application know it; secrets are masked. The key `app` of the file of an
// application without settings is an unknown key.
//
// Processors: the function makes them from the settings that were read, which live as long as the call. make()
// copies its arguments, and each worker's processor is constructed from the copy: a constructor copies what it
// keeps. Tests without servers construct a processor with settings of their own: processor_runner<weigh>(settings).
//
// Threads: the main thread, at start-up; the settings do not change afterwards.
// Errors: an exception of the function is errc::config_invalid of processors_of().
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <millrace/config/spec.h>
#include <millrace/engine/processor.h>

namespace millrace::app {

// The settings of an application, with the type of the struct erased.
class application_settings {
 public:
  // None.
  application_settings() = default;
  application_settings(std::shared_ptr<const config::section_info> section,
                       std::function<engine::processor_set(const void*)> make)
      : section_(std::move(section)), make_(std::move(make)) {}

  // False: the application has no settings, and the functions below are not called.
  [[nodiscard]] explicit operator bool() const noexcept { return section_ != nullptr; }
  // The declaration of the struct.
  [[nodiscard]] const std::shared_ptr<const config::section_info>& section() const noexcept {
    return section_;
  }
  // Returns the struct with its defaults.
  [[nodiscard]] std::shared_ptr<void> defaults() const { return section_->make(); }
  // Makes the processors. `values` is a struct of the declared type.
  [[nodiscard]] engine::processor_set processors(const void* values) const { return make_(values); }

 private:
  std::shared_ptr<const config::section_info> section_;
  std::function<engine::processor_set(const void*)> make_;
};

// Returns the settings that `spec` declares, for application::settings. `make` takes a const Settings& and returns
// the processors that need it; those of application::processors come before them.
template <class Settings, class Make>
[[nodiscard]] application_settings settings_of(const config::spec<Settings>& spec, Make make) {
  static_assert(std::is_invocable_r_v<engine::processor_set, const Make&, const Settings&>,
                "the function takes a const Settings& and returns a processor_set");
  return {spec.info(), [make = std::move(make)](const void* values) -> engine::processor_set {
            return make(*static_cast<const Settings*>(values));
          }};
}

}  // namespace millrace::app
