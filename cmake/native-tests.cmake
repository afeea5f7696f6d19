# One program for each area, or for some of them: test/native/<area>_<concept>_test.cc belongs to <area>_tests.
# Other .cc files of that folder are shared by all areas, and compiled once.
enable_testing()
include(GoogleTest)

# A cross build cannot link the host's library: it compiles googletest's source, which Debian's
# libgtest-dev brings along.
if(CMAKE_CROSSCOMPILING)
  set(GTEST_SOURCE /usr/src/googletest CACHE PATH "googletest's source, for cross builds")
  set(INSTALL_GTEST OFF)
  add_subdirectory(${GTEST_SOURCE} googletest EXCLUDE_FROM_ALL)
else()
  find_package(GTest REQUIRED)
endif()

file(GLOB test_sources CONFIGURE_DEPENDS test/native/*_test.cc)
file(GLOB support_sources CONFIGURE_DEPENDS test/native/*.cc)
list(REMOVE_ITEM support_sources ${test_sources})
# Real data for recall floors.
set_source_files_properties(test/native/sample_vectors.cc PROPERTIES COMPILE_DEFINITIONS
  VITRINE_SAMPLE_FOLDER="${CMAKE_SOURCE_DIR}/examples/data/fashion-mnist-sample")
# What is tested is optimised, and watched for undefined behaviour; its tests need neither, and
# would take twice as long to compile. With a sanitizer it would be four times as long, and what runs
# long is in the engine or in the shared sources. Linked last, so that these options win.
set(test_optimisation -Og)
if(VITRINE_SANITIZE)
  set(test_optimisation -O0)
endif()
add_library(vitrine_test_settings INTERFACE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Compiling one unit takes less than a gigabyte: collecting garbage earlier takes longer.
  target_compile_options(vitrine_test_settings INTERFACE "SHELL:--param ggc-min-heapsize=1000000")
endif()
target_compile_options(vitrine_test_settings INTERFACE
  ${test_optimisation} -fno-sanitize=undefined)
add_library(vitrine_test_support_settings INTERFACE)
target_compile_options(vitrine_test_support_settings INTERFACE -O1 -fno-sanitize=undefined)
if(CMAKE_CROSSCOMPILING)
  foreach(settings vitrine_test_settings vitrine_test_support_settings)
    target_compile_definitions(${settings} INTERFACE VITRINE_EMULATED=1)
  endforeach()
endif()
if(VITRINE_ENGINE_FOLDERS)
  # What the shared sources are about may not be built.
  add_library(vitrine_test_support INTERFACE)
  target_include_directories(vitrine_test_support INTERFACE test/native)
  target_link_libraries(vitrine_test_support INTERFACE vitrine_engine GTest::gtest)
else()
  add_library(vitrine_test_support STATIC EXCLUDE_FROM_ALL ${support_sources})
  target_include_directories(vitrine_test_support PUBLIC test/native)
  target_link_libraries(vitrine_test_support
    PUBLIC vitrine_engine GTest::gtest PRIVATE vitrine_test_support_settings)
  set_target_properties(vitrine_test_support PROPERTIES
    UNITY_BUILD ${VITRINE_JOINED} UNITY_BUILD_BATCH_SIZE 0)
endif()

# Where sources are joined, areas share a program, and so a unit: a third of compiling one goes into headers
# and templates that its neighbours have as well. None shares one with an area whose tests replace the allocator
# unless its own do.
if(VITRINE_JOINED)
  set(program_of_stats base)
  foreach(area exposition filter kernels)
    set(program_of_${area} index)
  endforeach()
  set(program_of_table storage)
endif()

set(areas)
# What takes longest to compile comes first: a core that gets it last leaves the others idle.
set(programs engine storage index database)
foreach(source IN LISTS test_sources)
  get_filename_component(name ${source} NAME)
  string(REGEX REPLACE "_.*" "" area ${name})
  string(REGEX REPLACE "_test.cc$" "" name ${name})
  list(APPEND areas ${area})
  if(name IN_LIST VITRINE_TESTS_LEFT OR (VITRINE_TEST_AREAS AND NOT area IN_LIST VITRINE_TEST_AREAS))
    continue()
  endif()
  set(program ${area})
  if(program_of_${area})
    set(program ${program_of_${area}})
  endif()
  list(APPEND programs ${program})
  list(APPEND sources_of_${program} ${source})
endforeach()
list(REMOVE_DUPLICATES areas)
list(REMOVE_DUPLICATES programs)

# All programs of the folder are run: none may be left of an earlier choice.
foreach(area IN LISTS areas)
  if(NOT sources_of_${area})
    file(REMOVE ${CMAKE_BINARY_DIR}/${area}_tests)
  endif()
endforeach()

foreach(program IN LISTS programs)
  if(NOT sources_of_${program})
    continue()
  endif()
  add_executable(${program}_tests ${sources_of_${program}})
  # One unit for each program, where sources are joined: every file has a namespace of its own.
  set_target_properties(${program}_tests PROPERTIES
    UNITY_BUILD ${VITRINE_JOINED} UNITY_BUILD_BATCH_SIZE 0)
  target_link_libraries(${program}_tests PRIVATE
    vitrine_test_support GTest::gtest_main vitrine_test_settings)
  # Listing happens when ctest runs, so that building needs no emulator and no sanitizer runtime.
  gtest_discover_tests(${program}_tests TEST_PREFIX ${program}. DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 600)
endforeach()
