export default {
  fetch() {
    console.log("counting to infinity");
    try {
      for (let count = 0; ; count += 1);
    } finally {
      console.log("never printed: the CPU limit cannot be caught");
    }
  },
};
