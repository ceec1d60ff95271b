#include <cstdlib>
#include <set>

#include <cxxabi.h>

#include <millrace/pipeline/processor.h>

namespace millrace::pipeline {

std::string internal::class_name(const char* mangled) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : mangled;
  std::free(demangled);  // NOLINT(cppcoreguidelines-no-malloc): __cxa_demangle allocates with malloc
  // Template arguments may hold :: of their own.
  const auto arguments = name.find('<');
  const auto scope = name.rfind("::", arguments == std::string::npos ? name.size() : arguments);
  return scope == std::string::npos ? name : name.substr(scope + 2);
}

result<processors> build(const processor_set& factories) {
  if (factories.empty()) return error(errc::config_invalid, "an application has at least one processor");
  if (factories.size() > processors_max) {
    return error(errc::config_invalid,
                 "an application has at most " + std::to_string(processors_max) + " processors");
  }
  processors built;
  const stream::declaration_scope collecting(built.declared);
  std::set<std::string, std::less<>> names;
  for (const processor_factory& create : factories) {
    const std::size_t statements = built.declared.statements.size();
    std::unique_ptr<processor_base> made = create();
    const std::string name(made->name());
    if (!names.insert(name).second) {
      return error(errc::config_invalid, "two processors are named '" + name + "'");
    }
    if (!built.all.empty() && &built.all.front()->input() != &made->input()) {
      return error(errc::config_invalid, "processor '" + name + "' reads " +
                                             std::string(made->input().type_name()) + ", but '" +
                                             std::string(built.all.front()->name()) + "' reads " +
                                             std::string(built.all.front()->input().type_name()) +
                                             ": the processors of one application share each decoded record");
    }
    built.all.push_back(std::move(made));
    built.uses_database.push_back(built.declared.statements.size() > statements);
  }
  for (const stream::statement_declaration* statement : built.declared.statements)
    built.uses_write_time |= statement->options().written == stream::write_time::record;
  return built;
}

}  // namespace millrace::pipeline
