#include "wire/above.h"
#include <time.h>
