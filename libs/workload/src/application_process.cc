#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <millrace/base/file_descriptor.h>
#include <millrace/workload/application_process.h>

namespace millrace::workload {

application_process::~application_process() {
  if (running()) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
}

result<void> application_process::start(const std::vector<std::string>& arguments,
                                        const std::string& log_file) {
  // By its own name, which is what `top` shows.
  std::error_code unreadable;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  const bool named = !unreadable && std::filesystem::exists(program, unreadable);
  return start_program(named ? program.string() : "/proc/self/exe", arguments, log_file);
}

result<void> application_process::start_program(const std::string& program,
                                                const std::vector<std::string>& arguments,
                                                const std::string& log_file) {
  file_descriptor log;
  if (!log_file.empty()) {
    log = file_descriptor(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!log) return error(errc::io_error, "cannot write " + log_file + ": " + std::strerror(errno));
  }
  std::string self = program;
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv{self.data()};
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    // Only what is safe between fork and exec in a program with threads. A group of its own: Ctrl-C is for
    // the parent to act on. Without the parent there is nothing left to talk to.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    if (log && (::dup2(log.get(), STDOUT_FILENO) < 0 || ::dup2(log.get(), STDERR_FILENO) < 0)) ::_exit(127);
    ::execv(self.c_str(), argv.data());
    ::_exit(127);
  }
  const int failed = errno;
  if (pid_ < 0)
    return error(errc::io_error, std::string("cannot start the application: ") + std::strerror(failed));
  return {};
}

bool application_process::running() {
  if (pid_ < 0) return false;
  const pid_t ended = ::waitpid(pid_, &status_, WNOHANG);
  if (ended == 0) return true;
  pid_ = -1;
  return false;
}

void application_process::terminate() const {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

int application_process::wait(int seconds_max) {
  for (int i = 0; i < seconds_max * 100 && running(); ++i) ::usleep(10'000);
  if (running()) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
    pid_ = -1;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

process_usage application_process::usage() const {
  process_usage usage;
  if (pid_ < 0) return usage;
  const std::string folder = "/proc/" + std::to_string(pid_);
  std::ifstream stat(folder + "/stat");
  std::string text;
  std::getline(stat, text);
  // Behind the name in parentheses: state and ten more fields, then utime and stime (proc(5)).
  std::istringstream fields(text.substr(text.rfind(')') == std::string::npos ? 0 : text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  usage.cpu_seconds = (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) usage.rss_bytes_max = std::stoull(line.substr(6)) * 1024;
  }
  return usage;
}

namespace {

// The port that a listener on 127.0.0.1 got; 0 when it got none. Port 0 asks for any.
std::uint16_t bound(std::uint16_t port) {
  const file_descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return 0;
  const int yes = 1;  // as the application does: a port whose last connections linger is free
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  std::uint16_t got = 0;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), size) == 0 &&
      ::listen(socket.get(), 1) == 0 &&
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0) {
    got = ntohs(at.sin_port);
  }
  return got;
}

}  // namespace

std::uint16_t free_port() { return bound(0); }
bool is_free(std::uint16_t port) { return bound(port) == port; }

}  // namespace millrace::workload
