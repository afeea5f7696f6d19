#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "refused_allocations.h"

namespace vitrine::base_status_test {
namespace {

TEST(Status, SaysWhatFailed) {
  Status status(ErrorCode::kIo, "cannot read the log");
  status.AddDetail("errno", uint64_t{5});
  status.AddDetail("path", std::string("log"));
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kIo);
  EXPECT_EQ(status.message(), "cannot read the log");
  ASSERT_EQ(status.details().size(), 2u);
  EXPECT_EQ(status.details()[0].name, "errno");
  EXPECT_EQ(std::get<uint64_t>(status.details()[0].value), 5u);
  EXPECT_EQ(std::get<std::string>(status.details()[1].value), "log");
}

TEST(Status, IsOneNullPointerWhereAllIsWell) {
  EXPECT_EQ(sizeof(Status), sizeof(void*));
  EXPECT_TRUE(Status().ok());
  EXPECT_TRUE(Status(Status()).ok());
}

TEST(Status, IsCopiedWithAllItSays) {
  Status first(ErrorCode::kExists, "there already");
  Status second = first;
  second.AddDetail("id", uint64_t{7});
  EXPECT_TRUE(first.details().empty());
  EXPECT_EQ(second.code(), ErrorCode::kExists);
  EXPECT_EQ(second.details().size(), 1u);

  first = second;
  EXPECT_EQ(first.details().size(), 1u);
  first = *&first;
  EXPECT_EQ(first.message(), "there already");
  first = Status();
  EXPECT_TRUE(first.ok());

  const Status third = std::move(second);
  EXPECT_EQ(third.details().size(), 1u);
}

TEST(Status, SaysThatMemoryIsOutWithoutAny) {
  allocations_left = 0;
  const Status status = Status::OutOfMemory();
  const Status copy = status;  // NOLINT(performance-unnecessary-copy-initialization)
  const Result<int> result = Status::OutOfMemory();
  allocations_left = -1;
  for (const Status* one : {&status, &copy, &result.status()}) {
    EXPECT_EQ(one->code(), ErrorCode::kOutOfMemory);
    EXPECT_EQ(one->message(), "out of memory");
    EXPECT_TRUE(one->details().empty());
  }
}

TEST(Status, OfMemoryThatIsOutIsNotSharedOnceItSaysMore) {
  Status status = Status::OutOfMemory();
  status.AddDetail("bytes", uint64_t{1});
  EXPECT_EQ(status.details().size(), 1u);
  EXPECT_TRUE(Status::OutOfMemory().details().empty());
}

TEST(Result, HoldsAValueOrTheReasonWhyThereIsNone) {
  Result<std::unique_ptr<int>> value = std::make_unique<int>(3);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(**value, 3);
  const std::unique_ptr<int> taken = std::move(*value);
  EXPECT_EQ(*taken, 3);

  const Result<std::unique_ptr<int>> none = Status(ErrorCode::kNotFound, "nothing there");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace vitrine::base_status_test
