// What happens during a wait. A comment `finding: RULE` marks a line that has one; every other line has none.
#include <chrono>
#include <exception>
#include <fstream>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <unistd.h>

#include <millrace/app/millrace.h>

namespace waits {

using namespace millrace;

struct article {
  std::string_view id;
  int stock = 0;
};

}  // namespace waits

template <>
struct millrace::avro::describe<waits::article> {
  static type_descriptor type() {
    return record_of<waits::article>("article", {field("id", &waits::article::id)});
  }
};

namespace waits {

task<result<int>> length_of(std::string_view text) { co_return static_cast<int>(text.size()); }

class articles final : public processor<article> {
 public:
  task<outcome> process(record<article> one, context ctx) override {
    co_await insert_(ctx, one->id);  // finding: clang-diagnostic-unused-result
    co_await must(insert_(ctx, one->id));
    const auto written = co_await insert_(ctx, one->id);
    if (!written) co_return written.error();
    const auto best_effort = co_await insert_(ctx, one->id);
    best_effort.ignore();
    co_return outcome::done();
  }

  task<result<int>> expressions(record<article> one) {
    const int a = co_await must(
        length_of(one->stock > 1 ? "many" : "few"));  // finding: millrace-conditional-in-co-await
    const int b =
        co_await must(length_of(std::string(one->id) + "!"));  // finding: millrace-temporary-in-co-await
    const std::string_view amount = one->stock > 1 ? "many" : "few";
    const int c = co_await must(length_of(amount));
    const std::string text = std::string(one->id) + "!";
    const int d = co_await must(length_of(text));
    co_return a + b + c + d + (a > 1 ? 1 : 0);
  }

  task<result<int>> members(record<article> one) {
    int sum = 0;
    // finding below: millrace-member-loop
    for (const int each : counts_) sum += each + co_await must(length_of(one->id));
    for (const int each : limits_) sum += each + co_await must(length_of(one->id));
    const std::vector<int> copy = counts_;
    for (const int each : copy) sum += each + co_await must(length_of(one->id));
    for (const int each : counts_) sum += each;

    const auto found = stock_.find(std::string(one->id));
    if (found != stock_.end()) sum += found->second;
    sum += co_await must(length_of(one->id));
    if (found != stock_.end()) sum += found->second;  // finding: millrace-place-across-co-await

    int& counted = stock_["all"];
    counted += 1;
    sum += co_await must(length_of(one->id));
    counted += 1;  // finding: millrace-place-across-co-await

    const int before = stock_["all"];
    sum += co_await must(length_of(one->id));
    stock_["all"] = before;
    co_return sum;
  }

  task<result<int>> blocks(record<article> one) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // finding: millrace-blocking-call
    ::usleep(1);                                                // finding: millrace-blocking-call
    std::ifstream file("limits");                               // finding: millrace-blocking-call
    const auto elsewhere = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
    static_cast<void>(elsewhere);
    co_return file.good() ? one->stock : 0;
  }

  task<result<int>> locks(record<article> one) {
    {
      const std::lock_guard<std::mutex> held(mutex_);
      counts_.push_back(one->stock);
    }
    const int length = co_await must(length_of(one->id));
    const std::lock_guard<std::mutex> held(mutex_);  // finding: misc-coroutine-hostile-raii
    co_return length + co_await must(length_of(one->id));
  }

  task<result<int>> catches(record<article> one) {
    int length = 0;
    try {
      length = co_await must(length_of(one->id));
    } catch (...) {  // finding: millrace-caught-must
      length = -1;
    }
    try {
      length += co_await must(length_of(one->id));
    } catch (...) {
      counts_.clear();
      throw;
    }
    try {
      length += co_await must(length_of(one->id));
    } catch (const std::exception&) {
      length = -1;
    }
    co_return length;
  }

 private:
  statement<void(std::string_view)> insert_{"INSERT INTO article (id) VALUES (?)"};
  std::vector<int> counts_;
  const std::vector<int> limits_ = {1, 2, 3};
  std::unordered_map<std::string, int> stock_;
  std::mutex mutex_;
  std::string_view last_;                    // finding: millrace-view-in-processor
  std::map<std::string_view, int> seen_;     // finding: millrace-view-in-processor
  std::vector<std::span<const int>> spans_;  // finding: millrace-view-in-processor
  std::string kept_;
  const std::string_view prefix_ = "article-";
};

}  // namespace waits
