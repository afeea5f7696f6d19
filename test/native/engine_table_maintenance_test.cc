// What a table tells of its upkeep: how often it was maintained, and how full its blocks are.

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "random_data.h"
#include "table_model.h"

namespace vitrine::engine_table_maintenance_test {
namespace {

constexpr size_t kDimension = 4;

uint64_t Runs(const Table& table, Maintenance kind, RunOutcome outcome = RunOutcome::kOk) {
  return table.maintenance().of(kind, outcome);
}

TEST(TableMaintenance, RelinksARowForEveryTwoThatAreNew) {
  const auto table = MakeTable({.dimension = kDimension});
  for (PointId id = 0; id < 5; ++id) {
    // After the second, and after the fourth.
    EXPECT_EQ(Runs(*table, Maintenance::kRelink), id / 2);
    const std::vector<float> vector = NormalVectors(1, kDimension, id);
    ExpectOk(table->Add(IdsFrom(id, 1), vector));
  }
  // In one run, however many rows it relinks.
  ExpectOk(table->Add(IdsFrom(10, 100), NormalVectors(100, kDimension, 10)));
  EXPECT_EQ(Runs(*table, Maintenance::kRelink), 3u);
  for (const Maintenance kind :
       {Maintenance::kReconnect, Maintenance::kGc, Maintenance::kQuantize, Maintenance::kRebuild}) {
    EXPECT_EQ(Runs(*table, kind), 0u);
  }
}

TEST(TableMaintenance, ReconnectsWhenTheGraphHasGrownByAQuarter) {
  const auto table = MakeTable({.dimension = kDimension, .graph = {.m = 4, .ef_construction = 16}});
  ExpectOk(table->Add(IdsFrom(0, 1024), NormalVectors(1024, kDimension, 1)));
  EXPECT_EQ(Runs(*table, Maintenance::kReconnect), 0u);
  ExpectOk(table->Add(IdsFrom(1024, 1), NormalVectors(1, kDimension, 2)));
  EXPECT_EQ(Runs(*table, Maintenance::kReconnect), 1u);
}

TEST(TableMaintenance, SweepsWhenATwentiethIsRemoved) {
  const auto table = MakeTable({.dimension = kDimension, .graph = {.m = 4, .ef_construction = 16}});
  ExpectOk(table->Add(IdsFrom(0, 500), NormalVectors(500, kDimension, 1)));
  ASSERT_TRUE(table->Remove(IdsFrom(0, 64)).ok());
  EXPECT_EQ(Runs(*table, Maintenance::kGc), 0u);
  ASSERT_TRUE(table->Remove(IdsFrom(64, 1)).ok());
  EXPECT_EQ(Runs(*table, Maintenance::kGc), 1u);
  ExpectOk(table->Sweep());
  EXPECT_EQ(Runs(*table, Maintenance::kGc), 2u);
  EXPECT_EQ(Runs(*table, Maintenance::kGc, RunOutcome::kError), 0u);
}

TEST(TableMaintenance, OfARunThatNobodyEndsIsAFailure) {
  MaintenanceCounts counts;
  { const MaintenanceRun run(counts, Maintenance::kGc); }
  {
    MaintenanceRun run(counts, Maintenance::kRebuild);
    run.GoesOn();
  }
  {
    MaintenanceRun run(counts, Maintenance::kRebuild);
    run.Succeeded();
  }
  MaintenanceTotals totals = counts.totals();
  totals.Add(counts.totals());
  EXPECT_EQ(totals.of(Maintenance::kGc, RunOutcome::kError), 2u);
  EXPECT_EQ(totals.of(Maintenance::kGc, RunOutcome::kOk), 0u);
  EXPECT_EQ(totals.of(Maintenance::kRebuild, RunOutcome::kOk), 2u);
  EXPECT_EQ(totals.of(Maintenance::kRebuild, RunOutcome::kError), 0u);
}

TEST(TableBlocks, HoldRowsInUseAndRoomForMore) {
  const auto table = MakeTable({.dimension = kDimension, .graph = {.m = 4, .ef_construction = 16}});
  EXPECT_EQ(table->blocks().used, 0u);
  ExpectOk(table->Add(IdsFrom(0, 1), NormalVectors(1, kDimension, 1)));
  const TableBlocks one = table->blocks();
  EXPECT_GT(one.used, kDimension * sizeof(float));
  EXPECT_GE(one.reserved, one.used);
  ExpectOk(table->Add(IdsFrom(1, 499), NormalVectors(499, kDimension, 2)));
  const TableBlocks many = table->blocks();
  // Rows of the same size each.
  EXPECT_EQ(many.used, 500 * one.used);
  EXPECT_GE(many.reserved, many.used);

  // Rows that are free again are room, and those who come next get them.
  ASSERT_TRUE(table->Remove(IdsFrom(0, 400)).ok());
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->blocks().used, 100 * one.used);
  EXPECT_EQ(table->blocks().reserved, many.reserved);
  ExpectOk(table->Add(IdsFrom(0, 400), NormalVectors(400, kDimension, 3)));
  EXPECT_EQ(table->blocks().used, many.used);
  EXPECT_EQ(table->blocks().reserved, many.reserved);
}

}  // namespace
}  // namespace vitrine::engine_table_maintenance_test
