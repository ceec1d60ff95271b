#include <cstdlib>

#include <cxxabi.h>

#include <millrace/base/assert.h>
#include <millrace/base/exceptions.h>

namespace millrace {
namespace {

[[nodiscard]] std::string shortened(std::string text) {
  if (text.size() <= exception_text_bytes_max) return text;
  std::size_t end = exception_text_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text;
}

// Of what is being caught.
[[nodiscard]] std::string caught_type() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  return type == nullptr ? "a foreign exception" : readable_name(*type);
}

}  // namespace

std::string readable_name(const std::type_info& type) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : type.name();
  std::free(demangled);  // NOLINT(cppcoreguidelines-no-malloc): __cxa_demangle allocates with malloc
  return name;
}

exception_text describe(const std::exception_ptr& thrown) {
  invariant(thrown != nullptr, "an exception is described that was thrown");
  exception_text text;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& caught) {
    text.type = caught_type();
    if (const char* const says = caught.what(); says != nullptr) text.what = says;
  } catch (const std::string& caught) {
    text = {"std::string", caught};
  } catch (const char* caught) {
    text = {"const char*", caught == nullptr ? "" : caught};
  } catch (...) {
    text.type = caught_type();
  }
  return {shortened(std::move(text.type)), shortened(std::move(text.what))};
}

error error_of(errc code, const exception_text& thrown) {
  return {code, thrown.what.empty() ? thrown.type : thrown.type + ": " + thrown.what};
}

}  // namespace millrace
