// One declaration per setting. The parser, the errors, the overrides, the reference, the JSON Schema and
// `config show` are derived from it.
//
//   struct kafka_options {
//     std::string bootstrap_servers;
//     milliseconds session_timeout{45'000};  // the default
//     std::map<std::string, std::string> properties;
//     std::optional<sasl_options> sasl;
//   };
//
//   const spec<kafka_options> kafka_spec{
//       field(&kafka_options::bootstrap_servers, "bootstrap_servers").required().doc("First brokers."),
//       field(&kafka_options::session_timeout, "session_timeout").range(seconds(6), seconds(1'800)).doc("..."),
//       field(&kafka_options::properties, "properties").doc("Properties of librdkafka."),
//       section(&kafka_options::sasl, "sasl", sasl_spec).doc("..."),
//   };
//
// A spec binds the option struct of the library that uses the settings. A default has one home, the member's
// initialiser: the loader, the reference and the schema read it from a default-constructed struct. A range
// and a description have one home, the spec.
//
// Member types: std::string, bool, integers, double, std::chrono durations, byte_size, secret, an enum (with
// choices()), std::optional of these, std::vector of these, std::map<std::string, std::string>; a struct, an
// optional struct or a vector of structs by section() and sections(). A spec<D> accepts the fields of D's
// base structs, and field(&D::part, &part_type::member, key) reaches a member of a member.
//
// Threads: a spec is immutable after construction and may be shared. A wrong declaration (a key twice, an
// enum without choices, a required setting that is optional) breaks an invariant.
//
// Example prelude:
//
//   struct server_options {
//     std::string host = "localhost";
//     milliseconds timeout{5'000};
//   };
//
//   const config::spec<server_options> server_spec{
//       config::field(&server_options::host, "host").doc("Name of the server."),
//       config::field(&server_options::timeout, "timeout").doc("Deadline of a request."),
//   };
//
// Example:
//
//   invariant(server_spec.info()->fields.size() == 2, "every field is declared once");
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/secret.h>
#include <millrace/config/types.h>
#include <millrace/config/units.h>

namespace millrace::config {

// Receives the findings of a check over several settings. Paths are relative to the section that is checked:
// "drain_timeout", "sasl.user".
class findings {
 public:
  virtual void error(std::string_view path, std::string message, std::string help = {}) = 0;
  virtual void warning(std::string_view path, std::string message, std::string help = {}) = 0;

 protected:
  ~findings() = default;
};

// One setting of T, its member type erased.
template <typename T>
class bound_field {
 public:
  explicit bound_field(field_info info) : info_(std::move(info)) {}
  [[nodiscard]] const field_info& info() const noexcept { return info_; }

 private:
  field_info info_;
};

// Declares one setting; every function returns the same object. Convertible to bound_field.
template <typename T, typename M>
class field_builder {
 public:
  using value_type = typename detail::innermost<M>::type;

  field_builder(M T::* member, std::string_view key, type_info type) {
    info_.key = key;
    info_.type = std::move(type);
    info_.member = [member](void* object) -> void* { return &(static_cast<T*>(object)->*member); };
  }
  template <typename P>
  field_builder(P T::* part, M P::* member, std::string_view key, type_info type) {
    info_.key = key;
    info_.type = std::move(type);
    info_.member = [part, member](void* object) -> void* {
      return &(static_cast<T*>(object)->*part.*member);
    };
  }

  // One or two sentences for the reference and the schema.
  field_builder& doc(std::string_view text) { return info_.doc = text, *this; }
  // As it would be written in the file.
  field_builder& example(std::string_view text) { return info_.example = text, *this; }
  // Must be present and not empty; there is no default.
  field_builder& required() { return info_.required = true, *this; }
  // The key's former name: accepted with a warning, replaced by rename_former_keys(). At most one.
  field_builder& formerly(std::string_view key) { return info_.formerly = key, *this; }

  // Inclusive limits; for a list, of every item. Durations take any std::chrono duration.
  template <typename V>
    requires std::integral<value_type> && std::convertible_to<V, value_type>
  field_builder& range(V least, V most) {
    return limits(static_cast<std::int64_t>(least), static_cast<std::int64_t>(most));
  }
  field_builder& range(nanoseconds least, nanoseconds most)
    requires detail::is_duration<value_type>
  {
    return limits(least.count(), most.count());
  }
  field_builder& range(byte_size least, byte_size most)
    requires std::same_as<value_type, byte_size>
  {
    return limits(static_cast<std::int64_t>(least.bytes), static_cast<std::int64_t>(most.bytes));
  }
  field_builder& range(double least, double most)
    requires std::same_as<value_type, double>
  {
    detail::innermost_type(info_.type).number_min = least;
    detail::innermost_type(info_.type).number_max = most;
    return *this;
  }

  // The names of an enum's values, in the order in which the reference lists them.
  field_builder& choices(std::initializer_list<std::pair<std::string_view, value_type>> names)
    requires std::is_enum_v<value_type>
  {
    auto& known = detail::innermost_type(info_.type).choices;
    for (const auto& [name, value] : names) {
      known.push_back({std::string(name), static_cast<std::int64_t>(value)});
    }
    return *this;
  }

  // A further condition on one value: returns what was expected ("a host and a port such as broker:9092")
  // when the value is not acceptable. Called for every item of a list. Not for secrets' content beyond their
  // form.
  field_builder& check(std::function<std::optional<std::string>(const value_type&)> accept) {
    detail::innermost_type(info_.type).check = [accept = std::move(accept)](const void* value) {
      return accept(*static_cast<const value_type*>(value));
    };
    return *this;
  }

  template <typename D>
    requires std::derived_from<D, T>
  operator bound_field<D>() const {  // NOLINT(google-explicit-constructor)
    if constexpr (std::same_as<D, T>) return bound_field<D>(info_);
    field_info info = info_;
    info.member = [of_base = info_.member](void* object) -> void* {
      return of_base(static_cast<T*>(static_cast<D*>(object)));
    };
    return bound_field<D>(std::move(info));
  }

 private:
  field_builder& limits(std::int64_t least, std::int64_t most) {
    detail::innermost_type(info_.type).min = least;
    detail::innermost_type(info_.type).max = most;
    return *this;
  }

  field_info info_;
};

// The settings of one struct. Copies share the declaration.
template <typename T>
class spec {
 public:
  spec(std::initializer_list<bound_field<T>> fields) : info_(std::make_shared<section_info>()) {
    for (const bound_field<T>& one : fields) info_->fields.push_back(one.info());
    info_->make = [] { return std::static_pointer_cast<void>(std::make_shared<T>()); };
    verify(*info_);
  }

  // Further fields, for a section that is declared in parts.
  spec& add(std::initializer_list<bound_field<T>> fields) {
    for (const bound_field<T>& one : fields) info_->fields.push_back(one.info());
    verify(*info_);
    return *this;
  }

  // A rule over several settings. Runs when everything in this section could be read.
  spec& check(std::function<void(const T&, findings&)> rule) & {
    info_->checks.emplace_back([rule = std::move(rule)](const void* object, findings& found) {
      rule(*static_cast<const T*>(object), found);
    });
    return *this;
  }
  spec&& check(std::function<void(const T&, findings&)> rule) && { return std::move(check(std::move(rule))); }

  // A key that has no effect any more. A file that has it is accepted, with a warning that ends with the reason, a
  // clause: "requests always go over the workers' own connections".
  spec& retired(std::string_view key, std::string_view reason) & {
    info_->retired.push_back({std::string(key), std::string(reason)});
    verify(*info_);
    return *this;
  }
  spec&& retired(std::string_view key, std::string_view reason) && { return std::move(retired(key, reason)); }

  [[nodiscard]] const std::shared_ptr<section_info>& info() const noexcept { return info_; }

 private:
  std::shared_ptr<section_info> info_;
};

// A value, an optional value, a list of values or a map of text.
template <typename T, typename M>
[[nodiscard]] field_builder<T, M> field(M T::* member, std::string_view key) {
  return {member, key, detail::type_of<M>::get()};
}

// The same of a member of a member.
template <typename T, typename P, typename M>
[[nodiscard]] field_builder<T, M> field(P T::* part, M P::* member, std::string_view key) {
  return {part, member, key, detail::type_of<M>::get()};
}

// A struct, or an optional struct, with a spec of its own.
template <typename T, typename S>
[[nodiscard]] field_builder<T, S> section(S T::* member, std::string_view key, const spec<S>& of) {
  return {member, key, detail::section_type(of.info())};
}
template <typename T, typename S>
[[nodiscard]] field_builder<T, std::optional<S>> section(std::optional<S> T::* member, std::string_view key,
                                                         const spec<S>& of) {
  return {member, key, detail::optional_of<S>(detail::section_type(of.info()))};
}
// A list of structs, each with a spec of its own.
template <typename T, typename S>
[[nodiscard]] field_builder<T, std::vector<S>> sections(std::vector<S> T::* member, std::string_view key,
                                                        const spec<S>& of) {
  return {member, key, detail::list_of<S>(detail::section_type(of.info()))};
}

}  // namespace millrace::config
