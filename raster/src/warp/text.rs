//! Virtual rasters: GDAL's own words for what is to be done.

use std::fmt::Write;

use frazil_raster_protocol::Method;

/// A regular grid from north to south and west to east.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// West edge, width of a cell, north edge, height of a cell (negative).
    pub(super) transform: [f64; 4],
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What is to be warped how.
#[derive(Debug)]
pub(super) struct Warped<'a> {
    pub(super) source: Grid,
    pub(super) target: Grid,
    pub(super) planes: usize,
    pub(super) method: Method,
    /// The coordinate reference systems, where they differ.
    pub(super) wkts: Option<(&'a str, &'a str)>,
    pub(super) centre: Option<f64>,
}

impl Grid {
    fn forth(&self) -> String {
        let [x, dx, y, dy] = self.transform;
        format!("{x},{dx},0,{y},0,{dy}")
    }

    fn back(&self) -> String {
        let [x, dx, y, dy] = self.transform;
        format!("{},{},0,{},0,{}", -x / dx, 1.0 / dx, -y / dy, 1.0 / dy)
    }

    fn begin(&self, class: &str) -> String {
        let Self { columns, rows, .. } = self;
        let transform = self.forth();
        format!(
            "<VRTDataset rasterXSize=\"{columns}\" rasterYSize=\"{rows}\"{class}>\n\
             <GeoTransform>{transform}</GeoTransform>\n"
        )
    }
}

/// GDAL's word for a method.
const fn word(method: Method) -> &'static str {
    match method {
        Method::Nearest => "NearestNeighbour",
        Method::Bilinear => "Bilinear",
        Method::Cubic => "Cubic",
        Method::Average => "Average",
        Method::Mode => "Mode",
        Method::Sum => "Sum",
    }
}

impl Warped<'_> {
    /// The numbers in the file `raw`, plane after plane, as they lie there.
    pub(super) fn numbers(&self, raw: &str) -> String {
        let Grid { columns, rows, .. } = self.source;
        let mut text = self.source.begin("");
        for plane in 0..self.planes {
            write(
                &mut text,
                format_args!(
                    "<VRTRasterBand dataType=\"Float64\" band=\"{}\" subClass=\"VRTRawRasterBand\">\
                     <NoDataValue>nan</NoDataValue>\
                     <SourceFilename relativeToVRT=\"0\">{raw}</SourceFilename>\
                     <ImageOffset>{}</ImageOffset><PixelOffset>8</PixelOffset><LineOffset>{}</LineOffset>\
                     <ByteOrder>LSB</ByteOrder></VRTRasterBand>\n",
                    plane + 1,
                    plane * rows * columns * 8,
                    columns * 8
                ),
            );
        }
        text.push_str("</VRTDataset>");
        text
    }

    /// What becomes of the raster `source` on the target.
    pub(super) fn warp(&self, source: &str) -> String {
        let mut text = self.target.begin(" subClass=\"VRTWarpedDataset\"");
        for plane in 1..=self.planes {
            write(
                &mut text,
                format_args!(
                    "<VRTRasterBand dataType=\"Float64\" band=\"{plane}\" subClass=\"VRTWarpedRasterBand\">\
                     <NoDataValue>nan</NoDataValue></VRTRasterBand>\n"
                ),
            );
        }
        let Grid { columns, rows, .. } = self.target;
        // One block: how far apart cells lie is found for each block anew.
        write(
            &mut text,
            format_args!(
                "<BlockXSize>{columns}</BlockXSize><BlockYSize>{rows}</BlockYSize>\n<GDALWarpOptions>\
                 <WarpMemoryLimit>6.71089e+07</WarpMemoryLimit><ResampleAlg>{}</ResampleAlg>\
                 <WorkingDataType>Float64</WorkingDataType>\
                 <Option name=\"INIT_DEST\">NO_DATA</Option>\
                 <Option name=\"UNIFIED_SRC_NODATA\">NO</Option>\
                 <Option name=\"ERROR_OUT_IF_EMPTY_SOURCE_WINDOW\">FALSE</Option>\n",
                word(self.method)
            ),
        );
        if self.wkts.is_none() {
            let [_, dx, _, dy] = self.source.transform;
            let [_, to_dx, _, to_dy] = self.target.transform;
            write(
                &mut text,
                format_args!(
                    "<Option name=\"XSCALE\">{}</Option><Option name=\"YSCALE\">{}</Option>\n",
                    dx / to_dx,
                    dy / to_dy
                ),
            );
        }
        write(
            &mut text,
            format_args!(
                "<SourceDataset relativeToVRT=\"0\">{source}</SourceDataset>\n<Transformer>\
                 <GenImgProjTransformer><SrcGeoTransform>{}</SrcGeoTransform>\
                 <SrcInvGeoTransform>{}</SrcInvGeoTransform><DstGeoTransform>{}</DstGeoTransform>\
                 <DstInvGeoTransform>{}</DstInvGeoTransform>\n{}</GenImgProjTransformer></Transformer>\n\
                 <BandList>",
                self.source.forth(),
                self.source.back(),
                self.target.forth(),
                self.target.back(),
                self.systems()
            ),
        );
        for plane in 1..=self.planes {
            write(
                &mut text,
                format_args!(
                    "<BandMapping src=\"{plane}\" dst=\"{plane}\"><SrcNoDataReal>nan</SrcNoDataReal>\
                     <SrcNoDataImag>0</SrcNoDataImag><DstNoDataReal>nan</DstNoDataReal>\
                     <DstNoDataImag>0</DstNoDataImag></BandMapping>\n"
                ),
            );
        }
        text.push_str("</BandList></GDALWarpOptions></VRTDataset>");
        text
    }

    fn systems(&self) -> String {
        let Some((source, target)) = self.wkts else { return String::new() };
        let options = self.centre.map_or_else(String::new, |centre| {
            format!("<Options><Option key=\"CENTER_LONG\">{centre}</Option></Options>")
        });
        format!(
            "<ReprojectTransformer><ReprojectionTransformer><SourceSRS>{}</SourceSRS>\
             <TargetSRS>{}</TargetSRS>{options}</ReprojectionTransformer></ReprojectTransformer>\n",
            escaped(source),
            escaped(target)
        )
    }
}

fn write(text: &mut String, parts: std::fmt::Arguments<'_>) {
    // Writing into a text cannot fail.
    text.write_fmt(parts).ok();
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
