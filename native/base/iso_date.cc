#include "base/iso_date.h"

#include <cstddef>

namespace vitrine {
namespace {

constexpr int64_t kMsPerDay = 86'400'000;
constexpr int64_t kLimit = 8'640'000'000'000'000;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool Take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // `count` digits.
  int64_t Number(size_t count) {
    int64_t number = 0;
    for (size_t i = 0; i < count; ++i) number = number * 10 + Digit();
    return number;
  }
  // The digits after a point, as thousandths.
  int64_t Thousandths() {
    int64_t number = Digit() * 100;
    for (int64_t place = 10; HasDigit(); place /= 10) number += Digit() * place;
    return number;
  }
  void Require(bool truth) { failed_ = failed_ || !truth; }
  bool AtEnd() const { return at_ == text_.size(); }
  bool failed() const { return failed_; }

 private:
  // Never after a failure: nothing is taken any more, and who waits for the last digit would wait
  // for ever.
  bool HasDigit() const {
    return !failed_ && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9';
  }
  int64_t Digit() {
    Require(HasDigit());
    return failed_ ? 0 : text_[at_++] - '0';
  }

  std::string_view text_;
  size_t at_ = 0;
  bool failed_ = false;
};

bool IsLeap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int64_t DaysOfMonth(int64_t year, int64_t month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeap(year) ? 29 : kDays[month - 1];
}

// Days from 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so that leap days
// come last (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil).
int64_t DaysSinceEpoch(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

int64_t ReadDay(Scanner& in) {
  int64_t year = 0;
  if (in.Take('+')) {
    year = in.Number(6);
  } else if (in.Take('-')) {
    year = -in.Number(6);
    in.Require(year != 0);
  } else {
    year = in.Number(4);
  }
  in.Require(in.Take('-'));
  const int64_t month = in.Number(2);
  in.Require(in.Take('-'));
  const int64_t day = in.Number(2);
  in.Require(month >= 1 && month <= 12);
  if (in.failed()) return 0;
  in.Require(day >= 1 && day <= DaysOfMonth(year, month));
  return DaysSinceEpoch(year, month, day);
}

// "hh:mm", in minutes.
int64_t ReadMinutes(Scanner& in, int64_t last_hour) {
  const int64_t hour = in.Number(2);
  in.Require(in.Take(':'));
  const int64_t minute = in.Number(2);
  in.Require(hour <= last_hour && minute < 60);
  return hour * 60 + minute;
}

int64_t ReadTime(Scanner& in) {
  int64_t ms = ReadMinutes(in, 24) * 60'000;
  if (in.Take(':')) {
    const int64_t second = in.Number(2);
    in.Require(second < 60);
    ms += second * 1000;
    if (in.Take('.')) ms += in.Thousandths();
  }
  in.Require(ms <= kMsPerDay);  // 24:00 is the end of the day
  if (in.Take('Z')) return ms;
  if (in.Take('+')) return ms - ReadMinutes(in, 23) * 60'000;
  in.Require(in.Take('-'));
  return ms + ReadMinutes(in, 23) * 60'000;
}

}  // namespace

std::optional<int64_t> ParseIsoDate(std::string_view text) {
  Scanner in(text);
  int64_t ms = ReadDay(in) * kMsPerDay;
  if (!in.failed() && in.Take('T')) ms += ReadTime(in);
  if (in.failed() || !in.AtEnd() || ms > kLimit || ms < -kLimit) return {};
  return ms;
}

}  // namespace vitrine
