// Where the nodes of a cluster are really found: behind NAT, in a container, over a private link.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace millrace::cql {

// From "10.0.0.1:9042" or "10.0.0.1" to "127.0.0.1:19142" or "db.example". Without a port on the left any port
// is meant; without one on the right it stays.
using address_translations = std::map<std::string, std::string>;

// As the bridge reads it.
[[nodiscard]] std::string to_text(const address_translations& map);
// The address, or name, and port to connect to.
[[nodiscard]] std::pair<std::string, std::uint16_t> translate(const address_translations& map,
                                                              const std::string& address, std::uint16_t port);

}  // namespace millrace::cql
