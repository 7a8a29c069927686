# Shared compile options, and one function for each kind of target. Sources are globbed: a file that is put
# into a folder belongs to that folder's target.

set(POSTHOUSE_SANITIZE "" CACHE STRING "comma-separated sanitizers: address,undefined or thread")
option(POSTHOUSE_FUZZ "build the libFuzzer targets (clang only)" OFF)
option(POSTHOUSE_PRECOMPILE "read the common headers once a target instead of once a file" OFF)

add_library(posthouse_options INTERFACE)
target_include_directories(posthouse_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(posthouse_options INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
target_compile_definitions(posthouse_options INTERFACE _GLIBCXX_ASSERTIONS
                                                       POSTHOUSE_VERSION="${PROJECT_VERSION}")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports std::string and std::variant temporaries that it has itself inlined (GCC bug 105329 and kin).
  target_compile_options(posthouse_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized
                                                     -Wno-missing-field-initializers)
else()
  # mta/base/thread_annotations.h. Designated initialisers leave the rest at its default on purpose.
  target_compile_options(posthouse_options INTERFACE -Wthread-safety -Wno-missing-field-initializers
                                                     -Wno-missing-designated-field-initializers
                                                     -Wno-deprecated-declarations)  # libstdc++'s own stable_sort
endif()
if(POSTHOUSE_SANITIZE)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Its questions hide from GCC what a string has checked just before.
    target_compile_options(posthouse_options INTERFACE -Wno-array-bounds -Wno-stringop-overflow
                                                       -Wno-stringop-overread)
  endif()
  target_compile_options(posthouse_options INTERFACE -fsanitize=${POSTHOUSE_SANITIZE} -fno-omit-frame-pointer
                                                     -fno-sanitize-recover=all)
  target_link_options(posthouse_options INTERFACE -fsanitize=${POSTHOUSE_SANITIZE})
endif()
if(POSTHOUSE_FUZZ)
  target_compile_options(posthouse_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(posthouse_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# posthouse_precompile(target header...): a third of the time to build everything is saved. Off where each file has to
# name all headers that it needs: clang-tidy reads the files so.
function(posthouse_precompile target)
  if(POSTHOUSE_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <array> <charconv> <chrono> <cstdint> <cstring> <deque> <expected> <functional> <map> <memory>
      <optional> <set> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector> <fmt/format.h>
      ${ARGN})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} PRIVATE -fpch-preprocess)  # ccache needs it
    endif()
  endif()
endfunction()

# posthouse_library(name folders dependency...)
function(posthouse_library name folders)
  set(patterns)
  foreach(folder IN LISTS folders)
    list(APPEND patterns ${folder}/*.cc)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(links)
  foreach(dependency IN LISTS ARGN)
    if(dependency MATCHES "::")
      list(APPEND links ${dependency})
    else()
      list(APPEND links ph_${dependency})
    endif()
  endforeach()
  if(sources)
    add_library(ph_${name} STATIC ${sources})
    target_link_libraries(ph_${name} PUBLIC posthouse_options ${links})
    posthouse_precompile(ph_${name})
  else()
    add_library(ph_${name} INTERFACE)
    target_link_libraries(ph_${name} INTERFACE posthouse_options ${links})
  endif()
endfunction()

# tests/<folder>/*_test.cc become one program test_<folder>, linked with the library of that name and all it needs.
function(posthouse_tests)
  find_package(GTest REQUIRED)
  set(every base smtp_syntax diagnosis smtp_server smtp_client io conf queue segment_log dns events intake inbound desk outbound
            report http api cli daemon)
  file(GLOB folders CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*)
  if(POSTHOUSE_SANITIZE STREQUAL "thread")
    list(FILTER folders INCLUDE REGEX "/(io|segment_log|http|api|daemon)$")  # the others start no thread
  endif()
  add_custom_target(unit_tests)
  if(NOT POSTHOUSE_SANITIZE STREQUAL "thread")
    # The world that most tests of outbound and the simulation run in: compiled once, not in each of them.
    file(GLOB world CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/outbound/*.cc)
    list(FILTER world EXCLUDE REGEX "_test\\.cc$")
    add_library(test_world STATIC ${world})
    target_link_libraries(test_world PUBLIC posthouse_options ph_outbound GTest::gtest)
    posthouse_precompile(test_world <gtest/gtest.h>)
    target_compile_options(test_world PRIVATE -O0)
  endif()
  foreach(folder IN LISTS folders)
    cmake_path(GET folder FILENAME name)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*_test.cc)
    if(NOT sources)
      continue()
    endif()
    if(name STREQUAL "simulation")
      file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc) # the world has files of its own
    endif()
    if(POSTHOUSE_SANITIZE STREQUAL "thread" AND name STREQUAL "daemon")
      set(sources ${folder}/alarm_test.cc) # only what has a thread: then none of the daemon's libraries is built
    endif()
    add_executable(test_${name} ${sources})
    add_dependencies(unit_tests test_${name})
    if(POSTHOUSE_SANITIZE STREQUAL "thread" AND name STREQUAL "daemon")
      set(links ph_base)
    elseif(name IN_LIST every)
      set(links ph_${name})
      if(name STREQUAL "cli")
        list(APPEND links ph_http ph_api) # the commands are tried on a real admin server
      endif()
    elseif(name STREQUAL "smtp")
      set(links ph_smtp_server ph_smtp_client)
    elseif(name STREQUAL "layering")
      set(links) # reads the sources and nothing else
    else()
      list(TRANSFORM every PREPEND ph_ OUTPUT_VARIABLE links)
    endif()
    if(name MATCHES "^(outbound|simulation)$")
      list(PREPEND links test_world)
    endif()
    target_link_libraries(test_${name} PRIVATE posthouse_options ${links} GTest::gmock GTest::gtest
                                               GTest::gtest_main)
    posthouse_precompile(test_${name} <filesystem> <fstream> <random> <gmock/gmock.h> <gtest/gtest.h>)
    if(NOT name STREQUAL "simulation")
      # What is tested is optimised as ever; the tests' own lines, which run once, cost half the time to compile so.
      target_compile_options(test_${name} PRIVATE -O0)
    endif()
    set(arguments)
    if(POSTHOUSE_SANITIZE STREQUAL "thread")
      # Long, and on one thread: the other builds have them.
      if(name STREQUAL "segment_log")
        set(arguments --gtest_filter=-LogCrash.*:SpoolView.*:Compaction.*:*flipped_bit*:*cut_at_every_byte*)
      elseif(name STREQUAL "api")
        set(arguments --gtest_filter=-ApiTest.a_page_is_bounded_by_recipients_too:Grouping.*)
      endif()
    endif()
    add_test(NAME ${name} COMMAND test_${name} ${arguments} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    if(name MATCHES "^(segment_log|simulation)$")
      set_tests_properties(${name} PROPERTIES COST 100)  # the longest begin first
    elseif(name MATCHES "^(outbound|api|dns)$")
      set_tests_properties(${name} PROPERTIES COST 50)
    endif()
  endforeach()
endfunction()

# tests/fuzz/<target>_fuzz.cc: a libFuzzer program with POSTHOUSE_FUZZ; otherwise a test that replays its corpus.
function(posthouse_fuzzers)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.cc)
  add_custom_target(fuzzers)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_fuzz$" "" name ${stem})
    add_executable(fuzz_${name} ${source})
    add_dependencies(fuzzers fuzz_${name})
    target_link_libraries(fuzz_${name} PRIVATE posthouse_options ph_smtp_server ph_smtp_client ph_segment_log ph_dns ph_conf ph_report)
    if(POSTHOUSE_FUZZ)
      target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
      target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
      add_test(NAME replay_${name} COMMAND fuzz_${name} tests/fuzz/corpus/${name}
               WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    endif()
  endforeach()
endfunction()

# bench/<subject>_bench.cc become bench_<subject>.
function(posthouse_benchmarks)
  find_package(benchmark REQUIRED)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*_bench.cc)
  add_custom_target(benchmarks)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_bench$" "" name ${stem})
    add_executable(bench_${name} ${source})
    add_dependencies(benchmarks bench_${name})
    target_link_libraries(bench_${name} PRIVATE posthouse_options ph_smtp_server ph_smtp_client ph_segment_log ph_dns benchmark::benchmark)
    set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  endforeach()
  # No benchmark itself: what some of them start from.
  add_executable(bench_fill_spool ${CMAKE_SOURCE_DIR}/bench/fill_spool.cc)
  add_dependencies(benchmarks bench_fill_spool)
  target_link_libraries(bench_fill_spool PRIVATE posthouse_options ph_segment_log)
  set_target_properties(bench_fill_spool PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

# What tests/crash needs beside the relay; `./dev crash` builds it, nothing else does.
function(posthouse_crash_tools)
  add_library(crash_no_sync MODULE EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/crash/no_sync.cc)
  target_link_libraries(crash_no_sync PRIVATE posthouse_options)
  set_target_properties(crash_no_sync PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  pkg_check_modules(FUSE3 IMPORTED_TARGET fuse3)
  if(FUSE3_FOUND)
    add_executable(crash_disk EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/crash/crash_disk.cc)
    target_link_libraries(crash_disk PRIVATE posthouse_options PkgConfig::FUSE3 Threads::Threads)
    set_target_properties(crash_disk PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  endif()
endfunction()
