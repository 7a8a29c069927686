#pragma once

namespace dns {

// ares_library_init() for as long as it lives. c-ares does not protect that call against other
// threads, so the program makes one CaresLibrary before its threads start.
class CaresLibrary {
public:
    CaresLibrary();
    CaresLibrary(const CaresLibrary&) = delete;
    CaresLibrary& operator=(const CaresLibrary&) = delete;
    ~CaresLibrary();
};

}  // namespace dns
