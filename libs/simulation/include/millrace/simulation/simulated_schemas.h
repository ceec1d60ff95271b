// A schema registry as a table. It implements the port stream/schemas.h.
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   simulation::simulated_schemas registry(loop);
//   registry.add(7, "parcel");
//   const auto id = registry.register_schema("visits-value", "parcel");
//   if (!id) return id.error();
//
// Threads: the loop's thread.
// Errors: errc::schema_not_found for an unknown id; the error of a fate; errc::cancelled after sever().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/errors.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/schemas.h>

namespace millrace::simulation {

// The registry.
class simulated_schemas final : public stream::schemas {
 public:
  // The delay and the error of one fetch.
  struct fate {
    nanoseconds delay{0};
    std::optional<error> failure;
  };
  struct options {
    std::function<fate(std::int32_t id)> fate_of;  // not set: the answer is immediate
  };

  explicit simulated_schemas(runtime::loop& loop) : simulated_schemas(loop, options()) {}
  simulated_schemas(runtime::loop& loop, options settings);
  ~simulated_schemas() override;

  // Adds a schema under an id.
  void add(std::int32_t id, std::string text);
  // Adds a schema under a fingerprint or GUID.
  void add_tagged(const stream::schema_tag& tag, std::string text);
  // The number of fetches so far.
  [[nodiscard]] std::size_t fetches() const noexcept { return fetches_; }
  // Ends the process: outstanding requests are answered with errc::cancelled.
  void sever();

  // stream::schemas
  void fetch(std::int32_t id, stream::schema_receiver& receiver) override;
  void fetch_tagged(const stream::schema_tag& tag, stream::schema_receiver& receiver) override;
  [[nodiscard]] result<std::int32_t> register_schema(std::string_view subject,
                                                     std::string_view text) override;

 private:
  struct flight;
  void land(flight& f);

  runtime::loop& loop_;
  options options_;
  std::map<std::int32_t, std::shared_ptr<const stream::schema_document>> texts_;
  std::vector<std::pair<stream::schema_tag, std::shared_ptr<const stream::schema_document>>> tagged_;
  std::vector<std::unique_ptr<flight>> flights_;
  std::size_t fetches_ = 0;
  bool severed_ = false;
};

}  // namespace millrace::simulation
