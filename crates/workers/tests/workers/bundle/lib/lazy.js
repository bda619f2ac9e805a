export const value = "loaded late";
