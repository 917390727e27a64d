// Boost.JSON, compiled once into this room.
#include <boost/json/src.hpp>
