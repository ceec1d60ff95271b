// A relay between clients and the one broker of a mock_kafka, for faults that the mock cluster does not have:
// it withholds single answers while later ones of the same connection pass, and it falls silent with its
// connections open.
//
// Example:
//
//   const auto cluster = emulators::mock_kafka::start();
//   if (!cluster) return cluster.error();
//   emulators::kafka_relay relay(**cluster);
//   relay.withhold(emulators::kafka_api::offset_commit, 1);
//   const std::string clients_connect_to = relay.bootstrap_servers();
//   relay.deliver_withheld();
//
// Answers that name the broker are rewritten, so that clients stay on the relay.
//
// Threads: any. One thread of its own carries the bytes.
// Failure: a failure of a socket call breaks an invariant; the relay is for tests only.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <millrace/emulators/mock_kafka.h>

namespace millrace::emulators {

// The relay. Destroying it closes its connections and joins the thread.
class kafka_relay {
 public:
  // Listens when it returns. `behind` has one broker and must outlive the relay.
  explicit kafka_relay(const mock_kafka& behind);
  kafka_relay(const kafka_relay&) = delete;
  kafka_relay& operator=(const kafka_relay&) = delete;
  ~kafka_relay();

  // The address of the relay: "127.0.0.1:PORT".
  [[nodiscard]] std::string bootstrap_servers() const;

  // Withholds the answers of the next `requests` requests of that kind, which the broker executes.
  void withhold(kafka_api api, std::size_t requests);
  // The number of answers that are withheld now.
  [[nodiscard]] std::size_t withheld() const;
  // Delivers the withheld answers, in order.
  void deliver_withheld();
  // From now on passes nothing in either direction, and accepts and ignores new connections.
  void fall_silent();

 private:
  class carrier;
  std::unique_ptr<carrier> carrier_;
};

}  // namespace millrace::emulators
