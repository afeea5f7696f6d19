#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace vitrine {

// How many pieces of what waits are done in one go, so that others have their turn after about the
// same time however long a piece takes. It learns that from the slices before: when something was
// left at the end of one, nobody waited from its beginning to that of the next, and what the pieces
// brought with them was done meanwhile. What others do in between counts as well; of two such times
// the shorter holds, so that one long turn of theirs changes nothing.
class SliceSize {
 public:
  using Clock = std::chrono::steady_clock;
  struct Rule {
    Clock::duration time;  // of a slice, about
    size_t most;           // pieces, at least 1
  };

  explicit SliceSize(Rule rule) : rule_(rule) {}

  // A slice begins at `now`: so many pieces may be done, at least 1.
  size_t Begin(Clock::time_point now) {
    if (done_ > 0) {
      const Clock::duration each = (now - begun_) / done_;
      const auto shorter = std::max(std::min(each, each_before_), Clock::duration(1));
      size_ = static_cast<size_t>(
          std::clamp<Clock::rep>(rule_.time / shorter, 1, static_cast<Clock::rep>(rule_.most)));
      each_before_ = each;
    }
    begun_ = now;
    return size_;
  }
  // It ends, with so many pieces done, and the next begins as soon as others had their turn; or
  // nothing is left.
  void End(size_t done, bool more) { done_ = more ? static_cast<Clock::rep>(done) : 0; }

 private:
  const Rule rule_;
  size_t size_ = 1;
  Clock::time_point begun_;
  Clock::rep done_ = 0;
  Clock::duration each_before_ = Clock::duration::max();
};

}  // namespace vitrine
