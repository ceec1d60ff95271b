#include "errors.h"

namespace millrace::kafka {
namespace {

std::string_view error_hint(rd_kafka_resp_err_t code) noexcept {
  switch (static_cast<int>(code)) {
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID:
      return "another running member has the same instance id; give every worker its own instance id and "
             "stop the other process";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return "grant this user READ on the consumer group";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return "grant this user the operation on the topic";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return "grant this user IDEMPOTENT_WRITE on the cluster, or WRITE on the topic";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return "check sasl.mechanism, user and password";
    case RD_KAFKA_RESP_ERR__SSL:
      return "check ssl.ca.location, the certificates and that the listener speaks TLS";
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
      return "check the bootstrap servers and the network; the client retries";
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return "create the topic or correct its name";
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      return "the worker's event loop was blocked for max.poll.interval.ms; its partitions were assigned to "
             "other members";
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
      return "all members of the group must use the same assignor";
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_ASSIGNOR:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
      return "the brokers do not support this; use the classic group protocol or newer brokers";
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
      return "the group is full; run fewer workers or raise group.max.size on the brokers";
    default:
      return {};
  }
}

std::string with_hint(rd_kafka_resp_err_t code, std::string_view text) {
  std::string message = text.empty() ? rd_kafka_err2str(code) : std::string(text);
  message += " (";
  message += rd_kafka_err2name(code);
  message += ")";
  if (const std::string_view todo = error_hint(code); !todo.empty()) {
    message += "; ";
    message += todo;
  }
  return message;
}

}  // namespace

errc code_of_client_error(rd_kafka_resp_err_t code) noexcept {
  switch (static_cast<int>(code)) {
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
    case RD_KAFKA_RESP_ERR__FENCED:
      return errc::broker_fenced;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return errc::broker_unauthorized;
    case RD_KAFKA_RESP_ERR__SSL:
      return errc::tls_error;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return errc::topic_not_found;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__LOG_TRUNCATION:
      return errc::offset_out_of_range;
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_ASSIGNOR:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
      return errc::config_invalid;
    default:
      return errc::broker_unavailable;
  }
}

bool stops_the_line(rd_kafka_resp_err_t code) noexcept {
  switch (static_cast<int>(code)) {
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_ASSIGNOR:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return true;
    default:
      return false;
  }
}

bool is_of_topic(rd_kafka_resp_err_t code) noexcept {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

bool may_join_again(rd_kafka_resp_err_t code) noexcept {
  return code == RD_KAFKA_RESP_ERR_INVALID_REQUEST || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
         code == RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH || code == RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH ||
         code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED;
}

error client_error(rd_kafka_resp_err_t code, std::string_view text) {
  return {code_of_client_error(code), with_hint(code, text)};
}

error commit_error(rd_kafka_resp_err_t code) {
  errc kind = errc::broker_unavailable;
  switch (static_cast<int>(code)) {
    // The client joins again or learns the new epoch, and the commit can be repeated. Where that costs the
    // partition, the group says so by a revocation or a loss, and the assignment has ended.
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH:
    case RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
      break;
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE:
      kind = errc::limit_exceeded;  // the committer sends less metadata
      break;
    case RD_KAFKA_RESP_ERR__FATAL:
      kind = errc::broker_fenced;
      break;
    default:
      kind = code_of_client_error(code);
      break;
  }
  return {kind, "offset commit: " + with_hint(code, {})};
}

error delivery_error(rd_kafka_resp_err_t code, std::string_view text) {
  errc kind = errc::produce_failed;
  switch (static_cast<int>(code)) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
      kind = errc::produce_rejected;
      break;
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
      kind = errc::cancelled;
      break;
    default:
      break;
  }
  return {kind, with_hint(code, text)};
}

}  // namespace millrace::kafka
