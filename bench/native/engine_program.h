#pragma once

// What the benchmark's C++ engines share: the protocol of engines/protocol.mjs over standard input
// and output, so that they are measured in the same way as the engines that run in Node. Each
// engine is one program, which includes this and calls Serve.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

using Arguments = std::map<std::string, std::string>;

constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

// Libraries report by exceptions, so these programs do too; Serve turns each into an error reply.
[[noreturn]] inline void Fail(const std::string& message) { throw std::runtime_error(message); }

inline const std::string& Text(const Arguments& arguments, const std::string& key) {
  const auto found = arguments.find(key);
  if (found == arguments.end()) Fail("missing argument " + key);
  return found->second;
}

inline size_t Number(const Arguments& arguments, const std::string& key) {
  return std::stoul(Text(arguments, key));
}

// A read-only file in memory, not counted as anonymous memory of this process.
template <typename T>
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY);
    if (file < 0) Fail("cannot open " + path);
    struct stat status {};
    if (::fstat(file, &status) != 0) Fail("cannot stat " + path);
    bytes_ = static_cast<size_t>(status.st_size);
    if (bytes_ > 0) address_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file, 0);
    ::close(file);
    if (address_ == MAP_FAILED) Fail("cannot map " + path);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (bytes_ > 0) ::munmap(address_, bytes_);
  }
  const T* data() const { return static_cast<const T*>(address_); }
  size_t size() const { return bytes_ / sizeof(T); }

 private:
  void* address_ = nullptr;
  size_t bytes_ = 0;
};

template <typename T>
void Write(const std::string& path, const std::vector<T>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(T)));
  if (!file.flush()) Fail("cannot write " + path);
}

inline double WallSeconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

inline double CpuSeconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// CPU time of the whole process and wall time since it was made.
class Stopwatch {
 public:
  std::string Read() const {
    char text[96];
    std::snprintf(text, sizeof text, "cpu=%.9f wall=%.9f", CpuSeconds() - cpu_,
                  WallSeconds() - wall_);
    return text;
  }

 private:
  double cpu_ = CpuSeconds();
  double wall_ = WallSeconds();
};

// Bytes of anonymous memory that are in RAM: what the index adds, without mapped input files.
inline size_t AnonymousBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssAnon:", 0) == 0) return std::stoul(line.substr(8)) * 1024;
  }
  return 0;
}

// The numbers that a command is about: a file of them, or a range.
inline std::vector<uint32_t> Rows(const Arguments& arguments) {
  if (arguments.count("rows")) {
    const MappedFile<uint32_t> rows(Text(arguments, "rows"));
    return {rows.data(), rows.data() + rows.size()};
  }
  std::vector<uint32_t> rows(Number(arguments, "count"));
  const auto first = static_cast<uint32_t>(Number(arguments, "first"));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = first + static_cast<uint32_t>(i);
  return rows;
}

// Scales a vector of `dimension` components to length 1, as users of an inner product do for
// cosine.
inline void Normalise(float* vector, size_t dimension) {
  double squares = 0;
  for (size_t d = 0; d < dimension; ++d) squares += static_cast<double>(vector[d]) * vector[d];
  if (squares == 0) return;
  const auto scale = static_cast<float>(1 / std::sqrt(squares));
  for (size_t d = 0; d < dimension; ++d) vector[d] *= scale;
}

inline std::string PercentDecoded(const std::string& text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      decoded += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

// Answers commands until the input ends.
//   engine  has Handle(verb, arguments), which gives the fields of the reply
template <typename Engine>
int Serve(Engine& engine) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    Arguments arguments;
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      arguments[word.substr(0, equals)] = PercentDecoded(word.substr(equals + 1));
    }
    try {
      const std::string reply = engine.Handle(verb, arguments);
      std::cout << "ok" << (reply.empty() ? "" : " ") << reply << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
  return 0;
}

}  // namespace bench
