#include <utility>

#include <millrace/kafka/sasl_credentials.h>

namespace millrace::kafka {

sasl_credentials::sasl_credentials(std::string user, secret password)
    : user_(std::move(user)), password_(std::move(password)) {}

bool sasl_credentials::set(std::string user, secret password) {
  const std::lock_guard lock(mutex_);
  if (user == user_ && password == password_) return false;
  user_ = std::move(user);
  password_ = std::move(password);
  version_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

sasl_credentials::login sasl_credentials::get() const {
  const std::lock_guard lock(mutex_);
  return {user_, password_, version_.load(std::memory_order_relaxed)};
}

}  // namespace millrace::kafka
