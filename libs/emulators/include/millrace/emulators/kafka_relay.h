// A relay between clients and the one broker of a mock_kafka, for faults that the mock cluster does not have:
// it withholds single answers while later ones of the same connection pass, it falls silent with its
// connections open, and it demands a password (SASL PLAIN without TLS).
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

  // From now on, new connections must authenticate with SASL PLAIN (security.protocol SASL_PLAINTEXT). Other
  // credentials are refused as a broker refuses them, and a request before the authentication ends the
  // connection. Existing connections stay.
  void require(const std::string& user, const std::string& password);
  // The number of authentications that succeeded, and that failed, so far.
  [[nodiscard]] std::size_t authenticated() const;
  [[nodiscard]] std::size_t refused() const;
  // Closes every connection, as a restarted broker does.
  void drop_connections();

 private:
  class carrier;
  std::unique_ptr<carrier> carrier_;
};

}  // namespace millrace::emulators
