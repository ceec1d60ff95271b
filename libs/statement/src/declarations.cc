#include <millrace/base/assert.h>
#include <millrace/statement/declarations.h>

namespace millrace::statements {
namespace {

thread_local declarations* collector = nullptr;

declarations& active_collector() noexcept {
  invariant(collector != nullptr,
            "statements, inputs, outputs, metrics and services are members of a processor that the engine "
            "constructs");
  return *collector;
}

}  // namespace

declaration_scope::declaration_scope(declarations& into) noexcept : previous_(collector) {
  collector = &into;
}
declaration_scope::~declaration_scope() { collector = previous_; }

statement_declaration::statement_declaration(std::string cql, statement_options options)
    : cql_(std::move(cql)), text_(statement_text::of(cql_)), options_(std::move(options)) {
  active_collector().statements.push_back(this);
}

lookup_declaration::lookup_declaration(std::string name) : name_(std::move(name)) {
  active_collector().lookups.push_back(this);
}

metric_declaration::metric_declaration(metrics::family family, const std::vector<std::string>& labels,
                                       bool durations, std::vector<std::uint64_t> bounds)
    : family_(std::move(family)), durations_(durations), bounds_(std::move(bounds)) {
  for (const std::string& each : labels) family_.labels.push_back(metrics::label::open(each, label_sets_max));
  active_collector().metrics.push_back(this);
}

service_declaration::service_declaration(std::string name, service_kind kind)
    : name_(std::move(name)), kind_(kind) {
  active_collector().services.push_back(this);
}

result<void> service_declaration::check_name() const {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  const auto wrong = [this](const std::string& why) {
    return error(errc::config_invalid, "the service '" + name_ + "' " + why);
  };
  if (name_.empty() || name_.size() > service_name_bytes_max ||
      name_.find_first_not_of(allowed) != std::string::npos) {
    return wrong("needs a name of 1 to " + std::to_string(service_name_bytes_max) +
                 " lower-case letters, digits, '-', '_' and '.'");
  }
  if (name_ == "database" || name_ == "broker")
    return wrong("has the name of a dependency of the product; choose another name");
  return {};
}

input_declaration::input_declaration(std::string name) : name_(std::move(name)) {
  active_collector().inputs.push_back(this);
}

output_declaration::output_declaration(std::string name) : name_(std::move(name)), topic_(name_) {
  active_collector().outputs.push_back(this);
}

}  // namespace millrace::statements
