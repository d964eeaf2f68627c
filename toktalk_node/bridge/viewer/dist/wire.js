import{a,b,c,d,e,f}from"./chunk-GG47U7QE.js";export{a as ClockFilter,c as ProtocolError,b as VERSION,f as Wire,d as decode,e as encode};
