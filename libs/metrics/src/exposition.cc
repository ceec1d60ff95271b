#include <millrace/metrics/exposition.h>

namespace millrace::metrics {
namespace {

void append_escaped(std::string& to, std::string_view text, bool quotes) {
  for (const char c : text) {
    switch (c) {
      case '\\':
        to += "\\\\";
        break;
      case '\n':
        to += "\\n";
        break;
      case '"':
        to += quotes ? "\\\"" : "\"";
        break;
      default:
        to += c;
    }
  }
}

// name_suffix{labels,le="..."} value
class line_writer {
 public:
  line_writer(std::string& to, const family& what, const series& one) : to_(to), what_(what), one_(one) {}

  void write(std::string_view suffix, std::string_view le, std::string_view value) {
    to_ += what_.name;
    to_ += suffix;
    bool first = true;
    for (std::size_t i = 0; i < what_.labels.size(); ++i) {
      label_pair(first, what_.labels[i].name, one_.label_values[i]);
    }
    if (!le.empty()) label_pair(first, "le", le);
    to_ += first ? " " : "} ";
    to_ += value;
    to_ += '\n';
  }

 private:
  void label_pair(bool& first, std::string_view name, std::string_view value) {
    to_ += first ? '{' : ',';
    first = false;
    to_ += name;
    to_ += "=\"";
    append_escaped(to_, value, true);
    to_ += '"';
  }

  std::string& to_;
  const family& what_;
  const series& one_;
};

void append_histogram(std::string& to, const family& what, const bucket_layout& layout, const series& one) {
  line_writer line(to, what, one);
  const auto bounds = layout.bounds();
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    below += one.values.counts[i];
    line.write("_bucket", format_number(what.shown(static_cast<double>(bounds[i]))), std::to_string(below));
  }
  const std::string count = std::to_string(below + one.values.counts.back());
  line.write("_bucket", "+Inf", count);
  line.write("_sum", {}, format_number(one.values.sum));
  line.write("_count", {}, count);
}

}  // namespace

std::string to_text(const snapshot& values) {
  std::string page;
  for (const family_snapshot& f : values.families()) {
    page += "# HELP " + f.what->name + " ";
    append_escaped(page, f.what->help, false);
    page += "\n# TYPE " + f.what->name + " ";
    page += to_string(f.what->kind);
    page += '\n';
    for (const series& one : f.all) {
      if (f.what->buckets) {
        append_histogram(page, *f.what, *f.what->buckets, one);
      } else {
        line_writer(page, *f.what, one).write({}, {}, format_number(one.value));
      }
    }
  }
  return page;
}

}  // namespace millrace::metrics
