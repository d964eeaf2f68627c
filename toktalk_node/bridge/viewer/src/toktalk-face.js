// The module that pages load: it defines <toktalk-face>.

export { TokTalkFace } from "./element.js";
export { decode, encode, ProtocolError, VERSION, Wire } from "./wire.js";
