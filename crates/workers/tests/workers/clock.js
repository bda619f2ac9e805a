const spin = () => {
  let x = 0;
  for (let i = 0; i < 3e6; i++) x += i % 7;
  return x;
};

export default {
  async fetch() {
    const [date, monotonic] = [Date.now(), performance.now()];
    spin();
    const still = [Date.now() - date, performance.now() - monotonic, new Date() - date];
    await scheduler.wait(5);
    return Response.json({ still, moved: [Date.now() > date, performance.now() > monotonic] });
  },
};
