#include <algorithm>
#include <exception>
#include <optional>
#include <set>

#include <millrace/base/exceptions.h>
#include <millrace/base/suggest.h>
#include <millrace/base/text.h>
#include <millrace/engine/options.h>
#include <millrace/engine/processor.h>

#include "input_checks.h"

namespace millrace::engine {

std::string internal::class_name(const std::type_info& type) {
  const std::string name = readable_name(type);
  // Template arguments may hold :: of their own.
  const auto arguments = name.find('<');
  const auto scope = name.rfind("::", arguments == std::string::npos ? name.size() : arguments);
  return scope == std::string::npos ? name : name.substr(scope + 2);
}

namespace {

struct construction_failed {
  std::string class_name;
  std::exception_ptr thrown;
};

[[nodiscard]] result<std::unique_ptr<processor_base>> construct(const processor_factory& create,
                                                                std::size_t place) {
  const std::string which = "processor " + std::to_string(place);
  std::unique_ptr<processor_base> made;
  try {
    made = create();
  } catch (const construction_failed& failed) {
    return error_of(errc::config_invalid, describe(failed.thrown))
        .in("the constructor of processor '" + failed.class_name + "' threw");
  } catch (...) {
    return error_of(errc::config_invalid, describe(std::current_exception()))
        .in("the factory of " + which + " threw");
  }
  if (made == nullptr)
    return error(errc::config_invalid, "the factory of " + which + " returned no processor");
  return made;
}

// Those that the last processor has declared, from `first` on. Services of one name are one dependency.
result<void> number_services(processors& built, std::size_t first) {
  std::vector<std::uint8_t>& used = built.uses_services.emplace_back();
  for (std::size_t i = first; i < built.declared.services.size(); ++i) {
    statements::service_declaration& each = *built.declared.services[i];
    if (const auto accepted = each.check_name(); !accepted) return accepted;
    for (std::size_t k = 0; k < i; ++k) {
      if (built.declared.services[k]->name() != each.name() ||
          built.declared.services[k]->kind() == each.kind())
        continue;
      return error(errc::config_invalid,
                   "the service '" + each.name() + "' is declared as http_client and as blocking");
    }
    const auto known = std::find(built.services.begin(), built.services.end(), each.name());
    const auto number = static_cast<std::uint8_t>(known - built.services.begin());
    if (known == built.services.end()) {
      if (built.services.size() == services_max) {
        return error(errc::config_invalid,
                     "an application has at most " + std::to_string(services_max) + " services");
      }
      built.services.push_back(each.name());
    }
    each.number_is(number);
    if (std::find(used.begin(), used.end(), number) == used.end()) used.push_back(number);
  }
  return {};
}

}  // namespace

runtime::task<stream::outcome> processor_base::deleted(deletion subject, stream::context ctx) {
  static_cast<void>(subject), static_cast<void>(ctx);
  co_return stream::outcome::skipped(tombstone_reason);
}

stream::reaction processor_base::classify(const error& cause) const {
  return stream::reaction_to(cause.code());
}

bool processor_base::wants(const raw_record& record) const {
  static_cast<void>(record);
  return true;
}

bool processors::take_deletions() const noexcept {
  return std::any_of(all.begin(), all.end(), [](const auto& each) { return each->takes_deletions(); });
}

void internal::throw_named(const std::type_info& type) {
  throw construction_failed{class_name(type), std::current_exception()};
}

namespace {

// A processor that is disabled is gone with all that it declared.
struct declared_sizes {
  explicit declared_sizes(const statements::declarations& of)
      : statements(of.statements.size()),
        outputs(of.outputs.size()),
        lookups(of.lookups.size()),
        metrics(of.metrics.size()),
        services(of.services.size()),
        inputs(of.inputs.size()) {}
  void restore(statements::declarations& to) const {
    to.statements.resize(statements);
    to.outputs.resize(outputs);
    to.lookups.resize(lookups);
    to.metrics.resize(metrics);
    to.services.resize(services);
    to.inputs.resize(inputs);
  }

  std::size_t statements;
  std::size_t outputs;
  std::size_t lookups;
  std::size_t metrics;
  std::size_t services;
  std::size_t inputs;
};

bool is_disabled(std::string_view name, const std::vector<processor_policy>& policies) {
  return std::any_of(policies.begin(), policies.end(),
                     [name](const processor_policy& each) { return each.name == name && !each.enabled; });
}

// `names`: of all processors, also of those that are disabled.
result<void> check_names(const std::vector<processor_policy>& policies,
                         const std::set<std::string, std::less<>>& names) {
  std::set<std::string_view> seen;
  for (const processor_policy& each : policies) {
    if (!names.contains(each.name)) {
      const std::vector<std::string> known(names.begin(), names.end());
      const std::optional<std::string> meant = nearest(each.name, known);
      return error(errc::config_invalid,
                   "`engine.processors` has '" + each.name + "', which is not a processor" +
                       (meant ? " (did you mean '" + *meant + "'?)" : std::string()) +
                       "; the processors of the application are: " + joined(known, ", "));
    }
    if (!seen.insert(each.name).second) {
      return error(errc::config_invalid,
                   "`engine.processors` has '" + each.name + "' twice; merge both entries");
    }
  }
  return {};
}

}  // namespace

result<processors> build(const processor_set& factories) { return build(factories, {}); }

result<processors> build(const processor_set& factories, const std::vector<processor_policy>& policies) {
  if (factories.empty())
    return error(errc::config_invalid, "an application must have at least one processor");
  if (factories.size() > processors_max) {
    return error(errc::config_invalid,
                 "an application has at most " + std::to_string(processors_max) + " processors");
  }
  processors built;
  metrics::catalogue declared;  // for its rules
  const statements::declaration_scope collecting(built.declared);
  std::set<std::string, std::less<>> names;
  for (const processor_factory& create : factories) {
    const declared_sizes before(built.declared);
    auto constructed = construct(create, built.all.size() + 1);
    if (!constructed) return constructed.error();
    std::unique_ptr<processor_base> made = *std::move(constructed);
    const std::string name(made->name());
    if (!names.insert(name).second) {
      return error(errc::config_invalid, "two processors are named '" + name + "'");
    }
    if (is_disabled(name, policies)) {
      before.restore(built.declared);
      continue;
    }
    built.inputs.emplace_back();
    for (std::size_t i = before.inputs; i < built.declared.inputs.size(); ++i)
      built.inputs.back().push_back(dynamic_cast<const input_base*>(built.declared.inputs[i]));
    if (const auto accepted = check_declared_inputs(*made, built.inputs.back()); !accepted)
      return accepted.error();
    for (std::size_t i = before.statements; i < built.declared.statements.size(); ++i) {
      if (const auto repeats = statements::check_idempotence(*built.declared.statements[i]); !repeats)
        return repeats.error().in("processor '" + name + "'");
    }
    for (std::size_t i = before.metrics; i < built.declared.metrics.size(); ++i) {
      if (const auto accepted = built.declared.metrics[i]->declare(declared); !accepted)
        return accepted.error().in("processor '" + name + "'");
    }
    if (const auto numbered = number_services(built, before.services); !numbered)
      return numbered.error().in("processor '" + name + "'");
    built.all.push_back(std::move(made));
    built.uses_database.push_back(built.declared.statements.size() > before.statements);
  }
  if (const auto known = check_names(policies, names); !known) return known.error();
  if (built.all.empty())
    return error(errc::config_invalid, "every processor is disabled by `engine.processors`; enable one");
  if (const auto accepted = check_types_of_inputs(built); !accepted) return accepted.error();
  for (const statements::statement_declaration* statement : built.declared.statements)
    built.uses_write_time |= statement->options().written == statements::write_time::record;
  return built;
}

}  // namespace millrace::engine
