// The report of a run: lines with a verdict, in sections; as Markdown and as JSON.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace millrace::app::certify {

enum class verdict : std::uint8_t { pass, fail, note };
[[nodiscard]] std::string_view to_string(verdict of) noexcept;

struct finding {
  verdict is = verdict::note;
  std::string section;
  std::string what;
  std::string text;
  std::vector<std::pair<std::string, double>> numbers = {};
};

class report {
 public:
  using numbers = std::vector<std::pair<std::string, double>>;

  void begin(std::string section) { section_ = std::move(section); }
  void add(verdict is, std::string what, std::string text, numbers values = {});
  // A line that passes when `holds`.
  void check(bool holds, std::string what, std::string text, numbers values = {}) {
    add(holds ? verdict::pass : verdict::fail, std::move(what), std::move(text), std::move(values));
  }

  [[nodiscard]] const std::vector<finding>& all() const noexcept { return all_; }
  [[nodiscard]] std::size_t count(verdict is) const noexcept;
  // The first line that is called so; null: none is.
  [[nodiscard]] const finding* find(std::string_view what) const noexcept;

  // `about`: the line below the title.
  [[nodiscard]] std::string to_markdown(const std::string& about) const;
  [[nodiscard]] std::string to_json(const std::string& about) const;

 private:
  std::string section_;
  std::vector<finding> all_;
};

}  // namespace millrace::app::certify
