// millrace dlq ls
#include "dlq_commands.h"
#include "summary.h"
#include "topic_walk.h"

namespace millrace::app::dlq_commands {
namespace {

class counting final : public dead_letter_listener {
 public:
  counting(const ls_arguments& arguments, std::ostream& out) : arguments_(arguments), out_(out) {}

  void on_dead_letter(const stream::record_view& record) override {
    const dead_letter_record read = read_dead_letter(record);
    if (!arguments_.filter.accepts(read)) return;
    if (counts.dead_letters() < arguments_.limit) print(read);
    counts.add(read);
  }

  summary counts;

 private:
  void print(const dead_letter_record& read) {
    out_ << read.partition << '/' << read.offset << "  " << to_text(read.written) << "  " << read.reason;
    if (!read.processor.empty()) out_ << "  processor " << read.processor;
    if (!read.topic.empty()) {
      out_ << "  from " << read.topic << '/' << read.from_partition << " offset " << read.from_offset;
    }
    if (read.redrives > 0) out_ << "  redriven " << read.redrives << " times";
    out_ << '\n';
  }

  const ls_arguments& arguments_;
  std::ostream& out_;
};

}  // namespace

int list_dead_letters(const app::app_config& settings, const ls_arguments& arguments, const terminal& to) {
  const auto failed = [&](const error& why) {
    to.err << "dlq ls: " << why.to_string() << "\n";
    return exit_failure;
  };
  runtime::loop loop(system_clock());
  counting all(arguments, to.out);
  const std::string& topic = settings.engine.dead_letter_topic;
  auto walk = topic_walk::open(settings, topic, viewer_group(settings), loop, all);
  if (!walk) return failed(walk.error());
  while (!(*walk)->at_end() && !(*walk)->failure()) (*walk)->turn(dead_letters_a_turn);
  (*walk)->close();
  if ((*walk)->failure()) return failed(*(*walk)->failure());
  if (!(*walk)->read_all()) to.err << silent_before_the_end << '\n';
  if (arguments.limit > 0 && all.counts.dead_letters() > 0) to.out << '\n';
  to.out << all.counts.dead_letters() << " dead letters in " << topic << "\n";
  if (all.counts.dead_letters() > 0) all.counts.print(to.out);
  return exit_ok;
}

}  // namespace millrace::app::dlq_commands
