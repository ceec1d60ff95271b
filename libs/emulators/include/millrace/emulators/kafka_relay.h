// Stands between clients and the one broker of a mock_kafka, and does what the mock cluster cannot: it
// withholds single answers while later ones of the same connection pass, and it falls silent with its
// connections open.
//
// Answers that name the broker are rewritten, so that clients stay on the relay. A test's object: a failure
// of a socket call breaks an invariant.
//
// Threads: any; one thread of its own carries the bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <millrace/emulators/mock_kafka.h>

namespace millrace::emulators {

class kafka_relay {
 public:
  // `behind` has one broker.
  explicit kafka_relay(const mock_kafka& behind);
  kafka_relay(const kafka_relay&) = delete;
  kafka_relay& operator=(const kafka_relay&) = delete;
  ~kafka_relay();

  [[nodiscard]] std::string bootstrap_servers() const;

  // The broker executes the next `requests` requests of that kind; their answers are kept here.
  void withhold(kafka_api api, std::size_t requests);
  [[nodiscard]] std::size_t withheld() const;
  // What was withheld is answered now, in order.
  void deliver_withheld();
  // From here on nothing is passed on in either direction, and new connections are accepted and ignored.
  void fall_silent();

 private:
  class carrier;
  std::unique_ptr<carrier> carrier_;
};

}  // namespace millrace::emulators
