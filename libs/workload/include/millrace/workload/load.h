// Produces generated visits and reads the records that the application emits, on the caller's loop.
//
// Example, at namespace scope:
//
//   #include <millrace/workload/environment.h>
//
//   result<std::unique_ptr<workload::load>> open(runtime::loop& loop, workload::environment& servers,
//                                                const workload::visit_generator& generator,
//                                                workload::verifier& checks) {
//     const std::string brokers = servers.bootstrap_servers();
//     return workload::load::create(loop, brokers, servers.schema_id(), generator, checks);
//   }
//
// Threads: the thread of the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/sink.h>
#include <millrace/stream/source.h>
#include <millrace/workload/verifier.h>
#include <millrace/workload/visit_generator.h>

namespace millrace::workload {

// A producer of the input topic and a reader of the downstream topic. The loop, the generator and the
// verifier must outlive it.
class load final : private stream::source_events {
 public:
  // Connects the producer and the reader. Errors: those of kafka::producer::create() and
  // kafka::consumer::create().
  [[nodiscard]] static result<std::unique_ptr<load>> create(runtime::loop& loop,
                                                            const std::string& bootstrap_servers,
                                                            std::int32_t schema_id,
                                                            const visit_generator& generator,
                                                            verifier& checks);
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  ~load();

  // Produces the next `count` records, or fewer when the producer's queue is full. Returns the number
  // produced.
  std::uint64_t produce(std::uint64_t count);
  // Produces records that cannot be decoded, or fewer when the producer's queue is full. They are not part of
  // any count.
  void poison(std::uint64_t count);
  // Takes the emitted records that arrived.
  void read();
  // Leaves the group of the downstream reader.
  void close();
  // Returns whether the reader has left its group.
  [[nodiscard]] bool closed() const { return source_->closed(); }
  // Return the numbers of records that were produced, acknowledged, refused, and read downstream.
  [[nodiscard]] std::uint64_t produced() const noexcept { return next_; }
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }
  [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }
  [[nodiscard]] std::uint64_t read_downstream() const noexcept { return read_; }

 private:
  class sent;
  class poisoned final : public stream::receipt {
   public:
    void on_acknowledged(result<void>) override {}
  };

  load(const visit_generator& generator, verifier& checks, std::int32_t schema_id);

  void on_record(const stream::record_view& record) override;
  void on_assigned(std::span<const stream::partition_id> partitions) override;
  void on_revoked(std::span<const stream::partition_id> partitions) override;
  void on_lost(std::span<const stream::partition_id> partitions) override;
  void on_committed(std::span<const stream::commit_result> results) override;
  void on_source_error(const error& failure, bool fatal) override;
  void acknowledged(sent& record, result<void> answer);

  const visit_generator& generator_;
  verifier& verifier_;
  std::int32_t schema_id_;
  std::vector<std::unique_ptr<sent>> pool_;
  std::vector<sent*> idle_;
  poisoned poisoned_;
  std::uint64_t poison_sent_ = 0;
  std::string value_;
  std::uint64_t next_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t read_ = 0;
  std::unique_ptr<stream::sink> sink_;
  std::unique_ptr<stream::source> source_;
};

}  // namespace millrace::workload
